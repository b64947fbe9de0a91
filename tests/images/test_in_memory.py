"""Pictures as notebooks hold them: Pillow's, arrays, tensors, open files; alone and in lists."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from dataflow.core.errors import BadRowError
from dataflow.images.reference import parse_reference

np = pytest.importorskip("numpy")


def pictures(value):
    return [Image.open(io.BytesIO(ref.data)) for ref in parse_reference(value, ["/data"])]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK", "LAB", "F"])
def test_a_pillow_image_keeps_all_its_pixels(photo, mode):
    image = photo.convert("L").convert(mode) if mode in {"I;16", "F"} else photo
    if mode == "LAB":
        image = Image.new("LAB", (40, 40), (120, 130, 140))
    elif mode not in {"I;16", "F"}:
        image = photo.convert("RGB").convert(mode) if mode != "LA" else photo.convert("LA")
    (seen,) = pictures(image)
    assert seen.size == image.size
    assert seen.convert(image.mode).tobytes() == image.tobytes()


def test_equal_pictures_have_equal_bytes(photo):
    """So that a second run knows them again."""
    first, second = (parse_reference(photo.copy(), [])[0] for _ in range(2))
    assert first.data == second.data


def test_orientation_and_colours_travel(photo, encode, load, pixels, far):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = Image.open(io.BytesIO(encode(photo, "JPEG", exif=exif, quality=95)))
    (ref,) = parse_reference(file, [])
    assert far(pixels(load(ref)), photo.transpose(Image.Transpose.ROTATE_270)) < 3


@pytest.mark.parametrize(
    "made",
    [
        lambda a: a,
        lambda a: a.astype(np.float32) / 255,
        lambda a: a.astype(np.float64),
        lambda a: a.astype(np.int64),
        lambda a: np.moveaxis(a, 2, 0),  # channels first, as tensors
        lambda a: np.asfortranarray(a),
        lambda a: a[::-1][::-1],
        lambda a: a.astype(np.uint16) * 257,
    ],
)
def test_arrays_of_colours(photo, made):
    (seen,) = pictures(made(np.asarray(photo)))
    assert seen.convert("RGB").tobytes() == photo.tobytes()


@pytest.mark.parametrize(
    "made",
    [
        lambda a: a,
        lambda a: a[:, :, None],
        lambda a: a[None],
        lambda a: a.astype(np.uint16) * 257,
        lambda a: a / 255,
    ],
)
def test_grey_arrays(load, made):
    grey = np.tile(np.arange(256, dtype=np.uint8), (200, 1))
    (ref,) = parse_reference(made(grey), [])
    seen = np.asarray(Image.open(io.BytesIO(load(ref).data)).convert("L")).astype(int)
    assert np.abs(seen - grey).max() <= 3


def test_truths_are_black_and_white():
    (seen,) = pictures(np.eye(8, dtype=bool))
    assert seen.convert("L").getpixel((0, 0)) == 255
    assert seen.convert("L").getpixel((1, 0)) == 0


def test_an_array_of_encoded_bytes(photo, encode):
    data = encode(photo, "JPEG")
    (ref,) = parse_reference(np.frombuffer(data, dtype=np.uint8), [])
    assert ref.data == data


class Tensor:
    """What a tensor of torch is to us."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, "torch.float32"

    def detach(self):
        return self

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        return self.array

    def __len__(self):
        return len(self.array)

    def __getitem__(self, key):
        return self.array[key]


def test_a_tensor(photo):
    (seen,) = pictures(Tensor(np.moveaxis(np.asarray(photo), 2, 0).astype(np.float32) / 255))
    assert seen.convert("RGB").tobytes() == photo.tobytes()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((5, 6, 7)), "channels"),
        (np.full((4, 4), -1.0), "within 0-1 or 0-255"),
        (np.full((4, 4), np.nan), "within 0-1 or 0-255"),
        (np.full((4, 4), 300), "within 0-1 or 0-255"),
        (np.full((4, 4), "a"), "is no picture"),
        (np.zeros(9, dtype=np.uint8), "no encoded picture"),
        (io.StringIO("text"), "open for text"),
        (object(), "a picture cannot be"),
        (3.5, "a picture cannot be"),
        ({1, 2}, "a picture cannot be"),
    ],
)
def test_what_is_no_picture(value, words):
    with pytest.raises(BadRowError, match=words):
        parse_reference(value, [])


def test_an_open_file_is_read_from_its_start_and_left_where_it_was(photo, encode, tmp_path):
    data = encode(photo, "PNG")
    memory = io.BytesIO(data)
    memory.seek(100)
    assert parse_reference(memory, [])[0].data == data
    assert memory.tell() == 100
    (tmp_path / "a.png").write_bytes(data)
    with (tmp_path / "a.png").open("rb") as file:
        assert parse_reference(file, [])[0].data == data


def test_all_kinds_in_one_list(photo, encode):
    data = encode(photo, "JPEG")
    values = [photo, np.asarray(photo), io.BytesIO(data), data, {"bytes": data}, "a.jpg"]
    kinds = [ref.kind for ref in parse_reference(values, ["/data"])]
    assert kinds == ["bytes"] * 5 + ["path"]
    assert len(parse_reference([photo, photo], [])) == 2
    assert len(parse_reference(np.stack([np.asarray(photo)] * 3), [])) == 3  # a batch


def test_a_picture_of_a_datasets_column(photo, tmp_path):
    datasets = pytest.importorskip("datasets")
    photo.save(tmp_path / "a.png")
    column = datasets.Dataset.from_dict({"image": [str(tmp_path / "a.png")]}).cast_column(
        "image", datasets.Image()
    )
    (seen,) = pictures(column[0]["image"])
    assert seen.convert("RGB").tobytes() == photo.tobytes()
    (ref,) = parse_reference(
        column.cast_column("image", datasets.Image(decode=False))[0]["image"], []
    )
    assert ref.kind == "path" or ref.data
