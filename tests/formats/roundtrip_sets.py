"""Datasets that are no tables through their formats and back: tar shards, COCO, pickles."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.formats.roundtrip_text import CAPTION, ROWS_EACH, FoundCaption, objects, through

# --- WebDataset -----------------------------------------------------------------------------------

_LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0./")
_KEYS = st.lists(
    st.text(_LETTERS, min_size=1, max_size=120).map(lambda key: key + "-"),
    min_size=1,
    max_size=2,
).map("/".join)
_ENDINGS = (
    *("jpg", "PNG", "seg.png", "webp", "txt", "json", "x.txt", "x.json", "cls", "npy"),
    *("caption.txt", "a b", "é", "mp3"),
)
_ASIDE = st.sampled_from(["folder", ".hidden", "__meta__/x.json", "link", "README"])


@st.composite
def _sample(draw: st.DrawFn) -> list[tuple[str, bytes]]:
    """The members of a sample, in any order: name and contents."""
    endings = draw(st.lists(st.sampled_from(_ENDINGS), min_size=1, max_size=4, unique=True))
    made = []
    for ending in endings:
        if ending.endswith("json"):
            data = draw(objects()).encode()
        elif ending.endswith("txt"):
            data = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=20)).encode()
        else:
            data = draw(st.binary(max_size=600))
        made.append((ending, data))
    return made


def _info(draw: Any, name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mtime = draw(st.integers(0, 2**33 - 1))
    info.mode = draw(st.integers(0, 0o7777))
    info.uid = draw(st.integers(0, 2**21 - 1))
    info.uname = draw(st.sampled_from(["", "someone", "é"]))
    return info


def _archive(data: st.DataObject, kind: int) -> bytes:
    """A shard as Python's tarfile writes it, in one of its three layouts."""
    file = io.BytesIO()
    keys = data.draw(st.lists(_KEYS, min_size=ROWS_EACH, max_size=ROWS_EACH, unique=True))
    with tarfile.open(fileobj=file, mode="w", format=kind) as archive:
        for number, key in enumerate(keys):
            if data.draw(st.integers(0, 5)) == 0:
                _add_aside(archive, data, data.draw(_ASIDE))
            for ending, content in data.draw(_sample()):
                info = _info(data.draw, f"{number}{key}.{ending}", len(content))
                if kind == tarfile.PAX_FORMAT and len(content) % 3 == 0:
                    info.pax_headers = {"comment": "é"}
                archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def _add_aside(archive: tarfile.TarFile, data: st.DataObject, name: str) -> None:
    """What belongs to no sample."""
    info = _info(data.draw, name, 0)
    if name == "folder":
        info.type = tarfile.DIRTYPE
    elif name == "link":
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    else:
        info.size = 5
    archive.addfile(info, io.BytesIO(b"aside"[: info.size]))


def _raw_members(archive: bytes) -> list[tuple[str, bytes]]:
    """Each member's name, and all its bytes: headers, contents and padding."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        found = []
        for info in opened:
            size = info.size if info.isreg() else 0
            end = -(-(info.offset_data + size) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            found.append((info.name, archive[info.offset : end]))
        return found


def webdataset(found: FoundCaption, folder: Path, data: st.DataObject) -> None:
    """A shard; compressed every second time."""
    turn = found.rows // ROWS_EACH
    ending = ".tar" if turn % 2 else ".tar.gz"
    source, output = folder / f"in{ending}", folder / f"out{ending}"
    layouts = (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)
    given = _archive(data, layouts[turn % 2])
    source.write_bytes(gzip.compress(given, 1) if ending.endswith("gz") else given)
    through(source, output)
    written = output.read_bytes()
    after = _raw_members(gzip.decompress(written) if ending.endswith("gz") else written)
    added = [content for name, content in after if name.endswith(".a caption.txt")]
    assert len(added) == ROWS_EACH
    assert all(CAPTION.encode() in content for content in added)
    kept = [pair for pair in after if not pair[0].endswith(".a caption.txt")]
    before = _raw_members(given)
    found.compare(len(before), len(kept))
    for one, other in zip(before, kept, strict=False):
        found.compare(one, other)


# --- COCO -----------------------------------------------------------------------------------------


@st.composite
def _document(draw: st.DrawFn) -> tuple[list[str], str]:
    """The texts of a COCO file's images, and the whole file."""
    numbers = st.integers(-(2**70), 2**70).map(str)
    ids = draw(
        st.lists(
            numbers | numbers.map(json.dumps), min_size=ROWS_EACH, max_size=ROWS_EACH, unique=True
        )
    )
    images = []
    for number in ids:
        rest = draw(objects().filter(lambda text: '"id"' not in text)).lstrip()[1:]
        comma = "" if rest.strip() == "}" else ","
        images.append(f'{{"id": {number}{comma}{rest}')
    between = draw(st.sampled_from([",", " ,\n", ",\r\n\t"]))
    former = [
        f'{{"id": {place}, "image_id": {draw(st.sampled_from(ids))}, "caption": "é", "more": 1.10}}'
        for place in range(draw(st.integers(0, 3)))
    ]
    whole = {
        "info": draw(objects()),
        "licenses": "[1.0, {}]",
        "images": f"[{between.join(images)} ]",
        "annotations": f"[{' , '.join(former)}]",
        "é\u2028": "-0.0",
    }
    order = draw(st.permutations(list(whole)))
    text = ",\n".join(f"{json.dumps(name)}: {whole[name]}" for name in order)
    return images, f"{{{text}}}"


def _pairs(text: str) -> dict[str, Any]:
    """A COCO file's members; numbers and their like as they are written, objects as pairs."""
    return dict(
        json.loads(text, object_pairs_hook=list, parse_float=str, parse_int=str, parse_constant=str)
    )


def coco(found: FoundCaption, folder: Path, data: st.DataObject) -> None:
    """A COCO file: images, what annotates them already, and anything else."""
    images, text = data.draw(_document())
    source, output = folder / "in.json", folder / "out.json"
    source.write_bytes(text.encode())
    through(source, output, format_name="coco")
    written = output.read_bytes().decode()
    before, after = _pairs(text), _pairs(written)
    found.compare(list(before), list(after))
    for name in before.keys() - {"images", "annotations"}:
        found.compare(repr(before[name]), repr(after[name]))
    for one, other in zip(before["images"], after["images"], strict=True):
        for field, same in zip(one, other, strict=True):
            found.compare(repr(field), repr(same))
    for image in images:  # and every byte of it, where it stands on one line
        if "\n" not in image and "\r" not in image:
            found.compare(True, image.strip() in written)
    former = len(before["annotations"])
    for one, other in zip(before["annotations"], after["annotations"][:former], strict=True):
        found.compare(repr(one), repr(other))
    assert len(after["annotations"]) == former + ROWS_EACH
    named = [dict(one)["image_id"] for one in after["annotations"][former:]]
    assert named == [dict(image)["id"] for image in before["images"]]


# --- pickles --------------------------------------------------------------------------------------

_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates()
    | st.decimals() | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(st.text(), inner)
    ),
    max_leaves=4,
)  # fmt: skip


def pickled(found: FoundCaption, folder: Path, data: st.DataObject) -> None:
    """A pickled list of dicts, of anything that Python has."""
    rows = data.draw(
        st.lists(
            st.dictionaries(st.text(max_size=4), _ANYTHING, max_size=4),
            min_size=ROWS_EACH,
            max_size=ROWS_EACH,
        )
    )
    source, output = folder / "in.pickle", folder / "out.pickle"
    source.write_bytes(pickle.dumps(rows))
    through(source, output, format_name="pickle")
    for before, after in zip(rows, pickle.loads(output.read_bytes()), strict=True):
        found.compare([*before, "a caption"], list(after))
        for name, value in before.items():
            found.compare(repr((type(value), value)), repr((type(after[name]), after[name])))
