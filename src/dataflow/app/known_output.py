"""Which output a person means who names an output, or the folder whose pictures were captioned."""

from __future__ import annotations

from pathlib import Path

from dataflow.core.errors import UsageError
from dataflow.core.side_files import FOLDER_ENDING
from dataflow.engine.paths import SideFiles
from dataflow.remote.path import AnyPath, to_path


def known_output(given: str) -> AnyPath:
    """The output that is meant by `given`.

    A folder of pictures stands for the sidecars beside them, or for the dataset that was made of
    it.

    Args:
        given: An output, which need not exist yet, or a folder whose pictures were captioned.

    Raises:
        UsageError: nothing is named, or the folder has several outputs.
    """
    if not given.strip():
        raise UsageError("the output is empty; if it comes from a variable, that is not set")
    place = to_path(given)
    if not isinstance(place, Path):
        return place
    if not place.name or place.name == "..":
        place = place.resolve()
    if not place.name:
        raise UsageError(f"{given} is no output; name the file that dataflow caption wrote")
    if not place.is_dir() or _has_run(place):
        return place
    found = _outputs_of(place)
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise UsageError(f"{given} has several outputs: {names}; name one of them")
    return found[0] if found else place


def _outputs_of(folder: Path) -> list[Path]:
    whole = folder.resolve()
    beside = folder.parent if folder.name else whole.parent
    places = [
        folder / ".captions.sidecars",
        *sorted(
            file.with_name(file.name.removesuffix(FOLDER_ENDING))
            for stem in (f"{whole.name}.sidecars", f"{whole.name}.captions.*")
            for file in beside.glob(f"{_escaped(stem)}{FOLDER_ENDING}")
        ),
    ]
    return [place for place in places if _has_run(place)]


def _escaped(pattern: str) -> str:
    """A pattern in which only ``*`` means more than itself."""
    return "".join(f"[{sign}]" if sign in "[?" else sign for sign in pattern)


def _has_run(place: Path) -> bool:
    files = SideFiles(place)
    return files.journal.exists() or files.shards.exists()
