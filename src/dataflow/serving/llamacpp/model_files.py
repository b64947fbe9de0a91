"""Which files a llama.cpp model's name means: the text model and its picture projector."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.errors import UnknownModelError, UsageError

DEMO = "demo"
_DEMO_FOLDER = Path(__file__).with_name("demo_model")
_MAGIC = b"GGUF"  # https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")  # a model cut into several files
_QUANTITIES = ("q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0", "f16", "bf16", "f32")


@dataclass(frozen=True, slots=True)
class GgufPair:
    """A vision-language model as llama.cpp takes it.

    Attributes:
        model: The text model's file.
        mmproj: The picture projector's file.
    """

    model: Path
    mmproj: Path


@dataclass(frozen=True, slots=True)
class HubPair:
    """A model on the hub.

    Attributes:
        repo: ``"owner/name"``.
        wanted: The model file's name, or a part of it such as ``"Q4_K_M"``; empty for the best.
    """

    repo: str
    wanted: str = ""

    def choose(self, names: Sequence[str]) -> list[str]:
        """The model's and the projector's file among a repository's files.

        Raises:
            UnknownModelError: there is no such pair; the message lists the models that are there.
        """
        files = [n for n in names if n.endswith(".gguf") and not _PART.search(n)]
        models = [n for n in files if "mmproj" not in n.lower()]
        wanted = [n for n in models if self.wanted.lower() in n.lower()]
        if not wanted:
            there = f"; it has {', '.join(models)}" if models else ""
            raise UnknownModelError(
                f"{self.repo} has no .gguf model {self.wanted}".rstrip() + there, repo=self.repo
            )
        projectors = [n for n in files if "mmproj" in n.lower()]
        if not projectors:
            raise UnknownModelError(
                f"{self.repo} has no mmproj*.gguf, so its model cannot see pictures", repo=self.repo
            )
        return [min(wanted, key=_rank), min(projectors, key=_rank)]


def read_model_name(model: str, mmproj: str | None) -> GgufPair | HubPair:
    """What `model` means: the bundled model, files on this disk, or a repository on the hub.

    Args:
        model: ``"demo"``, a .gguf file, or ``"owner/name"`` with an optional ``":file"``.
        mmproj: The projector's file; for a .gguf file, None takes the one mmproj*.gguf beside it.

    Raises:
        UsageError: the projector is not named and not to be found, or `model` is no such name.
        UnknownModelError: a file is missing or is no GGUF file.
    """
    if model == DEMO:
        pair = GgufPair(_DEMO_FOLDER / "scenes-demo.gguf", _DEMO_FOLDER / "scenes-demo-mmproj.gguf")
        return _checked(pair)
    path = Path(model).expanduser()
    if path.is_file() or (model.lower().endswith(".gguf") and not _is_hub_file(model)):
        if not path.is_file():
            raise UnknownModelError(f"there is no file {path}")
        found = Path(mmproj).expanduser() if mmproj else _beside(path)
        return _checked(GgufPair(path, found))
    repo, _, wanted = model.partition(":")
    if not _REPO.fullmatch(repo):
        raise UsageError(
            f"{model!r} is no model: give 'demo', a .gguf file, or a hub repository 'owner/name'"
        )
    if mmproj is not None:
        raise UsageError("mmproj goes with a .gguf file; a hub repository brings its own")
    return HubPair(repo, wanted)


def check_magic(file: Path) -> None:
    """Make sure that `file` begins as a GGUF file does.

    Raises:
        UnknownModelError: it does not, or cannot be read.
    """
    try:
        with open(file, "rb") as opened:
            start = opened.read(4)
    except OSError as error:
        raise UnknownModelError(f"cannot read {file}: {error.strerror}") from None
    if start != _MAGIC:
        raise UnknownModelError(f"{file} is no GGUF file (it begins with {start!r})")


def _checked(pair: GgufPair) -> GgufPair:
    check_magic(pair.model)
    check_magic(pair.mmproj)
    return pair


def _is_hub_file(model: str) -> bool:
    repo, colon, _ = model.partition(":")
    return bool(colon) and _REPO.fullmatch(repo) is not None


def _beside(model: Path) -> Path:
    found = sorted(f for f in model.parent.glob("*.gguf") if "mmproj" in f.name.lower())
    if len(found) == 1:
        return found[0]
    several = f": {', '.join(f.name for f in found)}" if found else ""
    raise UsageError(
        f"{model.name} needs its picture projector, an mmproj*.gguf file, of which there are "
        f"{len(found)} beside it{several}; name it (--mmproj FILE, mmproj=…)"
    )


def _rank(name: str) -> tuple[int, int, str]:
    """Sorts the best file to the front: 8 bits lose next to nothing and are quick on a CPU."""
    low = name.lower()
    places = (i for i, quantity in enumerate(_QUANTITIES) if quantity in low)
    return next(places, len(_QUANTITIES)), len(name), name
