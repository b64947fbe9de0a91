import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataflow.images.jpeg import to_decode, without_metadata


def test_metadata_goes_and_the_scans_stay(encode, photo):
    exif = Image.Exif()
    exif[0x010E] = "a description of the place"
    plain = encode(photo, "JPEG")
    full = encode(photo, "JPEG", exif=exif, comment=b"private", icc_profile=b"x" * 200)
    assert b"a description" in full
    assert b"private" in full
    assert without_metadata(full) == plain == without_metadata(plain)


def test_progressive_and_grey_stay_whole(encode, photo, far):
    for data in (
        encode(photo, "JPEG", progressive=True),
        encode(photo.convert("L"), "JPEG"),
        encode(photo, "JPEG", restart_marker_rows=2),
    ):
        stripped = without_metadata(data)
        assert far(Image.open(io.BytesIO(data)), Image.open(io.BytesIO(stripped))) == 0


def test_what_is_not_plain_is_refused(encode, photo):
    data = encode(photo, "JPEG")
    frame = data.index(b"\xff\xc0")
    assert without_metadata(data + b"\0") is None
    assert without_metadata(data[:-2]) is None
    assert without_metadata(b"") is None
    assert without_metadata(b"\xff\xd8\xff\xd9") is None
    assert without_metadata(data[:frame] + b"\xff\xc9" + data[frame + 2 :]) is None  # arithmetic
    twelve_bit = data[: frame + 4] + b"\x0c" + data[frame + 5 :]
    assert without_metadata(twelve_bit) is None
    for end in range(2, 700, 7):
        without_metadata(data[:end] + b"\xff\xd9")  # never raises


def reads(data):
    """Whether Pillow decodes the picture to its end."""
    try:
        Image.open(io.BytesIO(data)).load()
    except Exception:  # noqa: BLE001 - Pillow raises a dozen kinds
        return False
    return True


def pictures():
    """Noise in the ways that JPEGs are coded."""
    noise = Image.effect_noise((96, 64), 80).convert("RGB")
    for options in ({}, {"progressive": True}, {"restart_marker_rows": 2}, {"subsampling": 0}):
        file = io.BytesIO()
        noise.save(file, "JPEG", quality=80, **options)
        yield file.getvalue()


KINDS = [*pictures()]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(KINDS), st.integers(2), st.binary(max_size=64), st.integers(0, 64))
def test_all_that_decoding_a_picture_finds_is_found_by_decoding_what_has_to_be(data, at, new, gone):
    at %= len(data)
    damaged = data[:at] + new + data[at + gone :]
    plain = without_metadata(damaged)
    if plain is not None:
        assert reads(to_decode(plain)) == reads(plain)


def test_of_one_whole_scan_little_has_to_be_decoded_and_of_several_all():
    sizes = [len(to_decode(data)) / len(data) for data in KINDS]
    assert [size < 0.5 for size in sizes] == [True, False, True, True]
    assert sizes[1] == 1


@pytest.mark.parametrize(
    "marker",
    [
        b"\xff\xd9",  # an end before the end
        b"\xff\xd0",  # a restart that nothing announced
        b"\xff\xc0",  # another frame
        b"\xff\xc4\xff\xff",  # a table past the end
    ],
)
def test_a_scan_with_a_marker_that_has_no_place_there_is_decoded_whole(marker):
    data = KINDS[0][:-300] + marker + KINDS[0][-298:]
    assert to_decode(data) == data
