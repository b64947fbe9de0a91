"""Every file of the corpora gives a picture or a typed error, in little memory."""

import subprocess
import sys
import warnings

import pytest
from PIL import Image

from dataflow.core.errors import PictureTooLargeError, RowError
from dataflow.images.reference import parse_reference

# Pillow decodes them, and they are refused on purpose.
REFUSED = {
    "pil123rgba.qoi": "QOI is decoded in Python, a megapixel a second",
    "hopper.qoi": "QOI is decoded in Python, a megapixel a second",
    "hopper_palette_chunk_second.fli": "FLI is no picture format of datasets",
    "pil184.pcx": "PCX is no picture format of datasets",
    "hopper.dcx": "DCX is no picture format of datasets",
    "hopper.im": "IM is no picture format of datasets",
    "zero_mask_totals.dds": "DDS is decoded in Python in part",
    "uncompressed_l.dds": "DDS is decoded in Python in part",
    "blp2_dxt1a.blp": "BLP is decoded in Python",
    "tiff_20000x8000_deflate.tif": "160 million pixels",
    "webp_16383x10900.webp": "179 million pixels",
}


# Pillow refuses them for a mebibyte of text, which is no part of the picture.
LONG_TEXTS = {"png_decompression_dos.png"}


@pytest.fixture(scope="module")
def loaded(corpus):
    import asyncio

    from dataflow.images.loader import Loader

    async def main():
        slots = asyncio.Semaphore(16)
        async with Loader() as loader:

            async def one(row):
                folder = row["path"].rpartition("/")[0]
                (ref,) = parse_reference(row["file"], [folder])
                async with slots:
                    try:
                        return row, await loader.load(ref)
                    except RowError as error:
                        return row, error

            return await asyncio.gather(*map(one, corpus))

    return asyncio.run(main())


def test_every_file_gives_a_picture_or_a_typed_error(loaded):
    assert len(loaded) >= 400
    for _, result in loaded:
        if isinstance(result, RowError):
            assert 0 < len(result.message) < 400
            assert result.message.isprintable()
        else:
            start = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PN"}[result.media_type]
            assert result.data[:3] == start


def decodes_here(path):
    """Whether the Pillow that is installed decodes it; the manifest speaks of Pillow 13."""
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            image.load()
    except Exception:  # noqa: BLE001 - Pillow raises a dozen kinds
        return False
    return True


def test_what_pillow_decodes_is_decoded(loaded):
    refused = {
        row["file"][9:]: row["path"]
        for row, result in loaded
        if isinstance(result, RowError) and row.get("pillow", {"decodes": True})["decodes"]
    }
    assert refused.keys() >= REFUSED.keys()
    assert not [n for n, path in refused.items() if n not in REFUSED and decodes_here(path)]


def test_what_pillow_cannot_decode_is_an_error(loaded):
    decoded = {
        row["file"]
        for row, result in loaded
        if not isinstance(result, RowError) and not row.get("pillow", {"decodes": True})["decodes"]
    }
    names = {name[9:] for name in decoded if not name.endswith(".heic")}  # these by pillow-heif
    assert names <= LONG_TEXTS


def test_bombs_are_too_large(loaded):
    too_large = {row["file"][9:] for row, result in loaded if type(result) is PictureTooLargeError}
    assert too_large >= {
        "decompression_bomb.gif",
        "jpeg_header_lies_65500x65500.jpg",
        "png_1bit_30000x30000.png",
        "reallybig.bmp",
        "webp_16383x10900.webp",
    }


def sent_size(width, height, max_side=1024, least=32):
    """The size that is promised, reckoned apart from the code."""
    longer = max(width, height)
    factor = min(1.0, max_side / longer) if longer >= least else least / longer
    return max(round(width * factor), least), max(round(height * factor), least)


def test_sizes_are_those_of_the_upright_picture(loaded):
    checked = 0
    for row, result in loaded:
        if isinstance(result, RowError):
            continue
        if "pillow" in row:
            size = row["pillow"]["upright_size"] or row["pillow"]["size"]
        else:
            size = (row["width"], row["height"])
            if (row["orientation"] or 1) > 4:
                size = size[::-1]
        if size is None:
            continue  # HEIC
        want = sent_size(*size)
        assert abs(result.width - want[0]) <= 1, row["file"]
        assert abs(result.height - want[1]) <= 1, row["file"]
        checked += 1
    assert checked > 200


def test_oriented_copies_of_one_photo_look_alike(corpus, load, pixels, far, in_corpus):
    upright = pixels(load(in_corpus("bus_orientation_2.jpg")))
    for name in ("bus_orientation_4.jpg", "bus_orientation_6.jpg"):
        assert far(pixels(load(in_corpus(name))), upright) < 4
    for kind in ("png", "avif", "tif"):
        sent = pixels(load(in_corpus(f"bus_orientation_6.{kind}")))
        assert far(sent, upright.resize(sent.size)) < 8


MEASURE = """
import asyncio, resource, sys
from dataflow.core.errors import RowError
from dataflow.images.base.limits import Limits
from dataflow.images.loader import Loader
from dataflow.images.reference import parse_reference

async def main(paths):
    slots = asyncio.Semaphore(16)
    async with Loader(Limits(threads=16)) as loader:
        async def one(path):
            async with slots:
                try:
                    await loader.load(parse_reference(path, ["."])[0])
                except RowError:
                    pass
        await asyncio.gather(*map(one, paths))

asyncio.run(main(sys.stdin.read().split("\\0")))
if sys.platform == "linux":
    # not ru_maxrss, which begins at the size of the process that started this one
    with open("/proc/self/status") as file:
        status = file.read()
    print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 << 20))
"""


def test_peak_memory_stays_under_700_mb_and_nothing_is_printed(corpus):
    large = [row["path"] for row in corpus if "9400x9400" in row["file"]]  # one after the other
    paths = "\0".join([*(row["path"] for row in corpus), *large * 2])
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", MEASURE],
        input=paths,
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    )
    assert int(done.stdout) < 700
    assert done.stderr == ""
