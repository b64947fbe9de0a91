import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataflow.core.errors import PictureError
from dataflow.images.decode.jpeg_passthrough import plain_jpeg


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


def without_metadata(data):
    plain = plain_jpeg(data)
    return plain and plain.data


def reads(data, *, small=False):
    """Whether Pillow decodes the picture to its end, or an eighth of its size."""
    try:
        image = Image.open(io.BytesIO(data))
        if small:
            image.draft(None, (1, 1))
        image.load()
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
def test_all_that_decoding_a_picture_finds_is_found_by_decoding_its_proof(data, at, new, gone):
    at %= len(data)
    plain = plain_jpeg(data[:at] + new + data[at + gone :])
    if plain is not None:
        assert reads(plain.proof, small=True) == reads(plain.data)


def test_of_one_scan_little_is_proof_and_of_several_all():
    plain = [plain_jpeg(data) for data in KINDS]
    assert [one.data for one in plain] == KINDS
    assert [len(one.proof) < len(one.data) / 2 for one in plain] == [True, False, True, True]
    assert plain[1].proof == plain[1].data


@pytest.mark.parametrize(
    "marker",
    [
        b"\xff\xd9",  # an end before the end
        b"\xff\xd0",  # a restart that nothing announced
        b"\xff\xc0",  # another frame
        b"\xff\xc4\xff\xff",  # a table past the end
        b"\xff\xe1\x00\x08SECRET",  # metadata within a scan
    ],
)
def test_a_scan_with_a_marker_that_has_no_place_there_is_not_plain(marker):
    assert plain_jpeg(KINDS[0][:-300] + marker + KINDS[0][-298:]) is None


def test_nothing_behind_the_end_is_sent():
    assert plain_jpeg(KINDS[0] + b"SECRET-PLACE\xff\xd9") is None
    assert plain_jpeg(KINDS[0] + KINDS[1]) is None


@pytest.mark.parametrize("factors", [(0x31, 0x21, 0x11), (0x13, 0x12, 0x11), (0x41, 0x31, 0x11)])
def test_sampling_that_no_decoder_reads_is_found_without_the_scan(factors):
    data = bytearray(KINDS[3])
    frame = data.index(b"\xff\xc0")
    for place, factor in zip((11, 14, 17), factors, strict=True):
        data[frame + place] = factor
    plain = plain_jpeg(bytes(data))
    assert not reads(plain.data)
    assert not reads(plain.proof, small=True)


@pytest.mark.parametrize(
    "segment",
    [
        b"\xff\xdb\x00\x43\x09" + bytes(range(1, 65)),  # a quantisation table with a bogus index
        b"\xff\xdb\x00\x04\x00\x01",  # one cut short
        b"\xff\xc4\x00\x14\x31" + bytes(16) + b"\0",  # a Huffman table with a bogus index
        b"\xff\xc4\x00\x14\x00" + b"\xff" * 16 + b"\0",  # one of too many codes
        b"\xff\xda\x00\x08\x01\x09\x00\x00\x3f\x00",  # a scan of a component that is not there
    ],
)
def test_a_broken_segment_inside_the_only_scan_is_found(load, segment):
    data = KINDS[3]
    at = data.rindex(b"\xff\xda") + 400
    broken = data[:at] + segment + data[at:]
    plain = plain_jpeg(broken)
    assert plain is None or plain.proof == plain.data
    if not reads(broken):
        with pytest.raises(PictureError, match="broken JPEG"):
            load(broken)
