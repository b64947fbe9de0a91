"""A folder into which a hub model's weights are put: which model's they are.

The hub's library notes what it fetches under ``.cache/huggingface`` of the folder
(https://huggingface.co/docs/huggingface_hub/guides/download), but not of which model.
"""

from __future__ import annotations

from pathlib import Path

from dataflow.core.errors import UnknownModelError

_HUB = Path(".cache", "huggingface")
_OWNER = _HUB / "dataflow-model"


def check_owner(folder: Path, repo: str) -> None:
    """Refuse a folder that was filled with another model than `repo`.

    Raises:
        UnknownModelError: it was.
    """
    try:
        owner = (folder / _OWNER).read_text(encoding="utf-8").strip()
    except OSError:
        return
    if owner != repo:
        raise UnknownModelError(
            f"hf_local_dir {folder} holds {owner}, not {repo}: give another folder, or remove it"
        )


def note_owner(folder: Path, repo: str) -> None:
    """Note that `folder` is filled with the weights of `repo`; before the first file comes."""
    path = folder / _OWNER
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(repo + "\n", encoding="utf-8")


def is_from_hub(folder: Path) -> bool:
    """Whether the hub's library put files into `folder`, so that it may put more there."""
    return not (folder / "config.json").is_file() or (folder / _HUB).is_dir()
