"""HDR pictures (PQ and HLG) → sRGB.

1. The picture's numbers become light, in cd/m²: PQ by SMPTE ST 2084; HLG by ITU-R BT.2100 table 5,
   for a screen of 1,000 cd/m² (system gamma 1.2). More than 1,000 counts as 1,000.
2. The brightest of the three primaries is brought from 1,000 cd/m² down to 203, the white of
   ITU-R BT.2408, by the curve of ITU-R BT.2390-11 section 5.4.1 (which leaves all below 92 cd/m² as
   it is); the other two follow in proportion, so that hues stay.
3. The primaries become those of sRGB; what lies outside is cut off. 203 cd/m² is white.

The whole is one table of 49×49×49 colours, which Pillow interpolates.
"""

from __future__ import annotations

import functools

from PIL import Image, ImageFilter

from dataflow.images.decode import icc
from dataflow.images.decode.cicp import HLG, Cicp

SRGB: icc.Chromaticities = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""White and primaries of sRGB, which are those of ITU-R BT.709."""

_NODES = 49  # 33 would be up to 5 of 255 from the curve (measured)
_PEAK = 1000.0  # cd/m²
_WHITE = 203.0
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128  # SMPTE ST 2084, section 4
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def to_sdr(image: Image.Image, code: Cicp, colours: icc.Chromaticities) -> Image.Image:
    """`image`, whose numbers mean PQ or HLG, in sRGB.

    Args:
        image: Mode ``L`` or ``RGB``.
        code: Its code points; `Cicp.is_hdr`.
        colours: The white and primaries that they name.
    """
    return image.convert("RGB").filter(_table(code.transfer, colours))


@functools.lru_cache(maxsize=4)
def _table(transfer: int, colours: icc.Chromaticities) -> ImageFilter.Color3DLUT:
    matrix = icc.multiply(icc.inverse(icc.to_d50(SRGB)), icc.to_d50(colours))
    weights = icc.to_d50(colours)[1]  # Y of each primary
    steps = [number / (_NODES - 1) for number in range(_NODES)]
    light = [_hlg_scene(step) if transfer == HLG else _pq_to_light(step) for step in steps]

    def node(r: float, g: float, b: float) -> tuple[float, float, float]:
        red, green, blue = (light[round(value * (_NODES - 1))] for value in (r, g, b))
        if transfer == HLG:
            luminance = weights[0] * red + weights[1] * green + weights[2] * blue
            gain = _PEAK * luminance**0.2 if luminance > 0 else 0.0
            red, green, blue = red * gain, green * gain, blue * gain
        red, green, blue = min(red, _PEAK), min(green, _PEAK), min(blue, _PEAK)
        brightest = max(red, green, blue)
        ratio = _toned(brightest) / brightest / _WHITE if brightest > 0 else 0.0
        linear = icc.apply(matrix, (red * ratio, green * ratio, blue * ratio))
        return _srgb(linear[0]), _srgb(linear[1]), _srgb(linear[2])

    return ImageFilter.Color3DLUT.generate(_NODES, node)


@functools.lru_cache(maxsize=4096)
def _toned(light: float) -> float:
    """Light of the picture → light of the screen, both in cd/m² (BT.2390's EETF)."""
    top = _light_to_pq(_PEAK)
    goal = _light_to_pq(_WHITE) / top
    signal = min(_light_to_pq(light) / top, 1.0)
    knee = 1.5 * goal - 0.5
    if signal > knee:
        t = (signal - knee) / (1 - knee)
        signal = (
            (2 * t**3 - 3 * t**2 + 1) * knee
            + (t**3 - 2 * t**2 + t) * (1 - knee)
            + (-2 * t**3 + 3 * t**2) * goal
        )
    return _pq_to_light(signal * top)


def _pq_to_light(signal: float) -> float:
    power = max(signal, 0.0) ** (1 / _M2)
    return 10_000.0 * float((max(power - _C1, 0.0) / (_C2 - _C3 * power)) ** (1 / _M1))


def _light_to_pq(light: float) -> float:
    power = (max(light, 0.0) / 10_000.0) ** _M1
    return float(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def _hlg_scene(signal: float) -> float:
    """HLG's inverse OETF: scene light, 0 to 1."""
    if signal <= 0.5:
        return signal**2 / 3
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return float((2.718281828459045 ** ((signal - c) / a) + b) / 12)


def _srgb(linear: float) -> float:
    linear = min(max(linear, 0.0), 1.0)
    if linear <= 0.0031308:
        return 12.92 * linear
    return float(1.055 * linear ** (1 / 2.4) - 0.055)
