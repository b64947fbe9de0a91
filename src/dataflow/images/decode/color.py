"""The colours that a picture's numbers mean → sRGB.

What a profile does is found out by asking it: its transform is applied to some colours, and where
they hardly change, it is none. Names say nothing: "Display P3 Gamut with sRGB Transfer" is not
sRGB.
"""

from __future__ import annotations

import functools
import io
import struct
from typing import BinaryIO, TypeAlias

from PIL import Image, ImageCms

from dataflow.images.decode import icc, tone
from dataflow.images.decode.cicp import Cicp, cicp_of

_Transform: TypeAlias = "ImageCms.ImageCmsTransform | tuple[int, ...]"
"""Of RGB or CMYK; of grey, the value for each of 256."""

_LONGEST_PROFILE = 8 << 20
_SAME = 3  # of 255: sRGB profiles of different makers differ by that
_STEPS = (0, 51, 102, 153, 204, 255)
_PROBE = bytes(value for r in _STEPS for g in _STEPS for b in _STEPS for value in (r, g, b))

_PRIMARIES: dict[int, icc.Chromaticities] = {  # H.273 table 2
    1: tone.SRGB,
    5: (0.3127, 0.3290, 0.640, 0.330, 0.290, 0.600, 0.150, 0.060),
    6: (0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_CURVES: dict[int, tuple[float, ...]] = {4: (2.2,), 5: (2.8,), 8: (1.0,)}
"""H.273 table 3. BT.709's curve (1, 6, 14, 15) is that of cameras; screens show it as sRGB."""

_USUAL_GAMMA = (2.15, 2.25)
"""PNG's gAMA of 45455 is how programs say sRGB."""


def to_srgb(image: Image.Image, source: Image.Image, file: BinaryIO) -> Image.Image:
    """`image` (mode ``L`` or ``RGB``) with its colours turned into sRGB's.

    A profile that is broken, or of another kind than the picture, leaves it as it is.

    Args:
        image: Made of `source`, its numbers unchanged.
        source: The opened picture, for what it says of its colours.
        file: It is read from here.
    """
    code = cicp_of(file, source.format)
    if code is not None and code.is_hdr and code.primaries in _PRIMARIES:
        return tone.to_sdr(image, code, _PRIMARIES[code.primaries])
    profile = source.info.get("icc_profile")
    if source.format == "PNG" and (code is not None or not profile):
        profile = _of_code(code) if code is not None else _of_png(source)
    elif not profile and code is not None:
        profile = _of_code(code)
    elif source.mode == "CMYK":
        return image  # turned already, by `inks`
    if not isinstance(profile, bytes):
        return image
    return _applied(image, profile)


def is_plain(profile: object) -> bool:
    """Whether `profile` changes nothing: there is none, it is broken, or it is sRGB's."""
    return not isinstance(profile, bytes) or (
        _transform(profile, "RGB") is None and _transform(profile, "GRAY") is None
    )


def inks(profile: object) -> ImageCms.ImageCmsTransform | None:
    """How CMYK of this profile becomes sRGB; None where there is no usable profile."""
    found = _transform(profile, "CMYK") if isinstance(profile, bytes) else None
    return found if isinstance(found, ImageCms.ImageCmsTransform) else None


def transformed(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    """`image` as `transform` makes it.

    Raises:
        ValueError: it cannot be transformed.
    """
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:
        raise ValueError("its colours cannot be converted")
    return converted


def _applied(image: Image.Image, profile: bytes) -> Image.Image:
    grey = _transform(profile, "GRAY")
    if isinstance(grey, tuple):
        return image.point(grey * len(image.getbands()))
    transform = _transform(profile, "RGB")
    if not isinstance(transform, ImageCms.ImageCmsTransform):
        return image
    if image.mode == "RGB":
        return transformed(image, transform)
    ramp = Image.frombytes("L", (256, 1), bytes(range(256))).convert("RGB")
    return image.point(list(transformed(ramp, transform).getchannel("G").tobytes()))


@functools.lru_cache(maxsize=32)
def _transform(profile: bytes, space: str) -> _Transform | None:
    """How numbers of `profile` become sRGB; None where it is not of `space`, or changes nothing."""
    if len(profile) > _LONGEST_PROFILE:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if opened.profile.xcolor_space.strip() != space:
            return None
        is_grey = space == "GRAY"
        transform = ImageCms.buildTransform(
            opened,
            ImageCms.createProfile("sRGB"),
            "L" if is_grey else space,
            "RGB",
            # LittleCMS' shortened table of a grey curve is up to 10 of 255 off in the darks
            flags=ImageCms.Flags.NOOPTIMIZE if is_grey else ImageCms.Flags.NONE,
        )
        if space == "CMYK":
            return transform
        if is_grey:
            ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
            curve = tuple(transformed(ramp, transform).getchannel("G").tobytes())
            return None if _is_same(bytes(curve), bytes(range(256))) else curve
        probe = Image.frombytes("RGB", (len(_PROBE) // 3, 1), _PROBE)
        seen = transformed(probe, transform).tobytes()
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return None if _is_same(seen, _PROBE) else transform


def _is_same(one: bytes, other: bytes) -> bool:
    return all(abs(a - b) <= _SAME for a, b in zip(one, other, strict=True))


def _of_code(code: Cicp) -> bytes | None:
    colours = _PRIMARIES.get(code.primaries)
    if colours is None:
        return None
    return icc.matrix_profile(colours, _CURVES.get(code.transfer, icc.SRGB_CURVE))


def _of_png(source: Image.Image) -> bytes | None:
    """A profile after a PNG's gAMA and cHRM, where there is no better word on its colours."""
    info = source.info
    gamma, colours = info.get("gamma"), info.get("chromaticity")
    if "srgb" in info or (gamma is None and colours is None):
        return None
    curve: tuple[float, ...] = icc.SRGB_CURVE
    if isinstance(gamma, float) and 0.2 <= gamma <= 4 and not _is_usual(1 / gamma):
        curve = (1 / gamma,)
    white = colours if isinstance(colours, tuple) and len(colours) == 8 else tone.SRGB
    try:
        return icc.matrix_profile(white, curve)
    except (ValueError, struct.error):
        return None


def _is_usual(exponent: float) -> bool:
    return _USUAL_GAMMA[0] <= exponent <= _USUAL_GAMMA[1]
