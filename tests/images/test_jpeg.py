import io

from PIL import Image

from dataflow.images.jpeg import without_metadata


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
