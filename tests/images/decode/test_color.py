"""Pictures whose colours are not sRGB: known truth × container, to a few values of 255."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms

from dataflow.images.decode import color, icc
from dataflow.images.decode.cicp import Cicp, cicp_of

np = pytest.importorskip("numpy")

D65 = (0.3127, 0.3290)
SPACES = {  # white, red, green, blue, exponent (None: sRGB's curve)
    "Display P3": (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060, None),
    "Display P3 Gamut with sRGB Transfer": (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060, None),
    "DCI-P3 D65 Gamut with sRGB Transfer": (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 2.6),
    "Adobe RGB (1998)": (*D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 563 / 256),
    "ProPhoto RGB": (0.3457, 0.3585, 0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001, 1.8),
    "linear sRGB": (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 1.0),
    "sRGB with gamma 1.8": (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 1.8),
    "BT.2020": (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046, None),
    "sRGB IEC61966-2.1": (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06, None),
}
CONTAINERS = {
    "JPEG": {"quality": 97, "subsampling": 0},
    "PNG": {},
    "TIFF": {"compression": "tiff_lzw"},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    "HEIF": {"quality": 98, "chroma": 444},
}
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def xyz(x, y):
    return np.array([x / y, 1.0, (1 - x - y) / y])


def to_xyz_d65(wx, wy, *primaries):
    """Linear RGB → XYZ under D65, worked out apart from the code."""
    columns = np.stack([xyz(*primaries[n : n + 2]) for n in (0, 2, 4)], axis=1)
    matrix = columns * np.linalg.solve(columns, xyz(wx, wy))
    have, want = BRADFORD @ xyz(wx, wy), BRADFORD @ xyz(*D65)
    return np.linalg.inv(BRADFORD) @ np.diag(want / have) @ BRADFORD @ matrix


def decoded(numbers):
    return np.where(numbers <= 0.04045, numbers / 12.92, ((numbers + 0.055) / 1.055) ** 2.4)


def encoded(light):
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def as_srgb(numbers, space):
    """What 8-bit `numbers` of `space` look like, as 8-bit sRGB."""
    *colours, exponent = space
    values = numbers / 255.0
    light = decoded(values) if exponent is None else values**exponent
    matrix = np.linalg.inv(to_xyz_d65(*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06))
    return 255 * encoded(light @ (matrix @ to_xyz_d65(*colours)).T)


@pytest.fixture(scope="module")
def numbers():
    """Smooth 8-bit RGB with every hue, from dark to light, that sRGB can show in all `SPACES`."""
    v, u = np.mgrid[0:240, 0:320] / np.array([240, 320]).reshape(2, 1, 1)
    waves = [0.6 + 0.07 * np.sin(6.28 * (u * k + v) + p) for k, p in ((1, 0), (1.5, 2), (2, 4))]
    return np.stack([255 * w * (0.25 + 1.1 * v) for w in waves], axis=-1).round().astype(np.uint8)


def profile_of(name):
    *colours, exponent = SPACES[name]
    data = icc.matrix_profile(tuple(colours), icc.SRGB_CURVE if exponent is None else (exponent,))
    # the name, as texts in a profile hold it: it must not matter
    data += name.encode("utf-16-be") + b"sRGB"
    return struct.pack(">I", len(data)) + data[4:]


def difference(picture, truth):
    seen = np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB"), dtype=float)
    far = np.abs(seen - truth)
    return far.mean(), far.max()


def save(image, kind, **options):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", SPACES)
def test_a_profile_is_judged_by_what_it_does(load, numbers, name, container):
    image = Image.fromarray(numbers)
    data = save(image, container, icc_profile=profile_of(name), **CONTAINERS[container])
    stored = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=float)
    mean, greatest = difference(load(data), as_srgb(stored, SPACES[name]))
    assert mean <= 2
    assert greatest <= 8


def test_a_jpeg_with_an_srgb_profile_keeps_its_scans(load, numbers):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = save(Image.fromarray(numbers), "JPEG")
    assert load(save(Image.fromarray(numbers), "JPEG", icc_profile=srgb)).data == load(plain).data


@pytest.mark.parametrize("profile", [b"", b"nonsense", b"sRGB" * 100, bytes(200)])
def test_a_broken_profile_leaves_the_picture_as_it_is(load, numbers, profile):
    plain = load(save(Image.fromarray(numbers), "PNG"))
    assert load(save(Image.fromarray(numbers), "PNG", icc_profile=profile)).data == plain.data


def grey_profile(curve):
    """A grey ICC profile with a table of 16-bit values (ICC.1:2022, section 10.6)."""
    table = struct.pack(f">4s4xI{len(curve)}H", b"curv", len(curve), *curve)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    at = 128 + 4 + 24
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", at, 20, b"kTRC", at + 20, len(table))
    size = at + 20 + len(table)
    head = struct.pack(">I4xI4s4s4s", size, 0x02400000, b"prtr", b"GRAY", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + tags + white + table


@pytest.mark.parametrize("mode", ["L", "LA"])
@pytest.mark.parametrize("exponent", [1.0, 1.55, 1.8, 2.8])
def test_grey_profiles_are_heeded(load, exponent, mode):
    """Photoshop's "Dot Gain 20%" is a grey profile with a table."""
    steps = np.linspace(0, 1, 256)
    profile = grey_profile([round(65535 * v**exponent) for v in steps])
    grey = np.kron(np.arange(256).reshape(16, 16), np.ones((8, 8))).astype(np.uint8)
    image = Image.fromarray(grey).convert(mode)
    truth = 255 * encoded((grey / 255.0) ** exponent)
    mean, greatest = difference(load(save(image, "PNG", icc_profile=profile)), truth[..., None])
    assert mean <= 2
    assert greatest <= 8


# --- PNG's own chunks ---------------------------------------------------------------------------


def with_chunk(png, kind, data):
    chunk = struct.pack(">I", len(data)) + kind + data
    chunk += struct.pack(">I", zlib.crc32(kind + data))
    return png[:33] + chunk + png[33:]


@pytest.mark.parametrize(
    ("gamma", "space"), [(1.0, "linear sRGB"), (1 / 1.8, "sRGB with gamma 1.8"), (1 / 2.2, None)]
)
def test_a_pngs_gamma_is_heeded(load, numbers, gamma, space):
    png = save(Image.fromarray(numbers), "PNG")
    data = with_chunk(png, b"gAMA", struct.pack(">I", round(gamma * 100_000)))
    truth = as_srgb(numbers.astype(float), SPACES[space]) if space else numbers
    mean, greatest = difference(load(data), truth)
    assert mean <= 2
    assert greatest <= 8


def test_a_pngs_chromaticities_are_heeded(load, numbers):
    png = save(Image.fromarray(numbers), "PNG")
    colours = [round(value * 100_000) for value in SPACES["Display P3"][:8]]
    mean, greatest = difference(
        load(with_chunk(png, b"cHRM", struct.pack(">8I", *colours))),
        as_srgb(numbers.astype(float), SPACES["Display P3"]),
    )
    assert mean <= 2
    assert greatest <= 8


def test_a_pngs_srgb_chunk_wins_over_its_gamma(load, numbers):
    png = save(Image.fromarray(numbers), "PNG")
    both = with_chunk(with_chunk(png, b"gAMA", struct.pack(">I", 100_000)), b"sRGB", b"\0")
    assert load(both).data == load(png).data


def test_a_pngs_code_points_win_over_its_profile(load, numbers):
    png = save(Image.fromarray(numbers), "PNG", icc_profile=profile_of("linear sRGB"))
    mean, _ = difference(
        load(with_chunk(png, b"cICP", bytes([12, 13, 0, 1]))),
        as_srgb(numbers.astype(float), SPACES["Display P3"]),
    )
    assert mean <= 2


@pytest.mark.parametrize("gamma", [0, 1, 2**31])
def test_nonsense_for_a_gamma_is_passed_over(load, numbers, gamma):
    png = save(Image.fromarray(numbers), "PNG")
    assert load(with_chunk(png, b"gAMA", struct.pack(">I", gamma))).data == load(png).data


def test_nonsense_for_chromaticities_is_passed_over(load, numbers):
    png = save(Image.fromarray(numbers), "PNG")
    for colours in ([0] * 8, [2**32 - 1] * 8, [31270, 32900] * 4):
        data = with_chunk(png, b"cHRM", struct.pack(">8I", *colours))
        assert load(data).data == load(png).data


# --- HDR ----------------------------------------------------------------------------------------


def pq(light):
    """cd/m² → PQ's numbers (SMPTE ST 2084)."""
    power = (np.clip(light, 0, None) / 10_000) ** (2610 / 16384)
    c1, c2, c3 = 3424 / 4096, 2413 / 128, 2392 / 128
    return ((c1 + c2 * power) / (1 + c3 * power)) ** (2523 / 32)


def hlg(light):
    """cd/m² of a screen of 1,000 → HLG's numbers (BT.2100), grey alone."""
    scene = (light / 1000) ** (1 / 1.2)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    log = a * np.log(np.maximum(12 * scene - b, 1e-9)) + c
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), log)


@pytest.mark.parametrize("curve", [pq, hlg])
def test_hdr_shades_come_out_as_the_stated_curve_says(load, curve):
    light = np.array([0.5, 2, 10, 30, 60, 90])  # below the knee: unchanged
    numbers = np.repeat(np.repeat((255 * curve(light)).round()[None], 64, 0), 20, 1)
    image = Image.fromarray(np.repeat(numbers[..., None], 3, 2).astype(np.uint8))
    code = bytes([9, {pq: 16, hlg: 18}[curve], 0, 1])
    picture = load(with_chunk(save(image, "PNG"), b"cICP", code))
    seen = np.asarray(Image.open(io.BytesIO(picture.data)).convert("L"), dtype=float)
    wanted = 255 * encoded(light / 203)
    assert np.abs(seen[32, 10::20] - wanted).max() <= 4


def test_hdr_highlights_are_bent_not_cut(load):
    light = np.array([100, 203, 400, 700, 1000, 4000])
    numbers = np.repeat(np.repeat((255 * pq(light)).round()[None], 64, 0), 20, 1)
    image = Image.fromarray(np.repeat(numbers[..., None], 3, 2).astype(np.uint8))
    picture = load(with_chunk(save(image, "PNG"), b"cICP", bytes([9, 16, 0, 1])))
    seen = np.asarray(Image.open(io.BytesIO(picture.data)).convert("L"), dtype=float)[32, 10::20]
    assert (np.diff(seen[:5]) > 2).all()
    assert 226 <= seen[1] <= 236  # the white of a page
    assert seen[4] >= 253
    assert seen[5] >= 253


def test_hdr_colours_keep_their_hue(load):
    """A red of BT.709 at 80 cd/m², written in BT.2020 and PQ."""
    to_2020 = np.linalg.inv(to_xyz_d65(*SPACES["BT.2020"][:8])) @ to_xyz_d65(
        *SPACES["linear sRGB"][:8]
    )
    light = np.array([80.0, 8.0, 4.0])
    numbers = (255 * pq(to_2020 @ light)).round().astype(np.uint8)
    image = Image.fromarray(np.tile(numbers, (64, 64, 1)))
    picture = load(with_chunk(save(image, "PNG"), b"cICP", bytes([9, 16, 0, 1])))
    seen = np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB"), dtype=float)[30, 30]
    assert np.abs(seen - 255 * encoded(light / 203)).max() <= 8


def box(kind, content):
    return struct.pack(">I", 8 + len(content)) + kind + content


def nclx(avif, primaries, transfer):
    """`avif` with other code points in its ``colr`` box."""
    at = avif.index(b"colrnclx") + 8
    return avif[:at] + struct.pack(">HH", primaries, transfer) + avif[at + 4 :]


@pytest.mark.parametrize("container", ["AVIF", "HEIF"])
def test_code_points_of_avif_and_heic_are_read(load, numbers, container):
    data = save(Image.fromarray(numbers), container, **CONTAINERS[container])
    if b"colrnclx" not in data:
        pytest.skip("this encoder writes no code points")
    assert cicp_of(io.BytesIO(nclx(data, 9, 16)), container) == Cicp(9, 16)
    mean, _ = difference(
        load(nclx(data, 12, 13)), as_srgb(numbers.astype(float), SPACES["Display P3"])
    )
    assert mean <= 2
    sdr = np.asarray(Image.open(io.BytesIO(load(data).data)).convert("L"), dtype=float)
    hdr = np.asarray(Image.open(io.BytesIO(load(nclx(data, 9, 16)).data)).convert("L"), dtype=float)
    assert np.abs(sdr - hdr).mean() > 10


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0\x08meta",
        b"\0\0\0\x01meta",
        b"\xff" * 64,
        box(b"meta", b"\0" * 4 + b"\0\0\0\x09"),
    ],
)
def test_broken_containers_have_no_code_points(data):
    assert cicp_of(io.BytesIO(data), "AVIF") is None
    assert cicp_of(io.BytesIO(data), "PNG") is None


def test_a_transform_is_worked_out_once_for_a_profile():
    color._transform.cache_clear()
    for _ in range(5):
        assert not color.is_plain(profile_of("Display P3"))
    assert color._transform.cache_info().misses <= 2
