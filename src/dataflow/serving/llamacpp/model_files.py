"""Which files a llama.cpp model's name means: the text model and its picture projector."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.core.errors import NoVisionError, UnknownModelError, UsageError
from dataflow.serving.llamacpp.gguf_header import GgufHeader, read_gguf

DEMO = "demo"
_DEMO_FOLDER = Path(__file__).with_name("demo_model")
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")  # a model cut into several files
_FIRST_PART = "-00001-of-"
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
        model: ``"demo"``, a .gguf file, a folder with one, or ``"owner/name"`` with an optional
            ``":file"``.
        mmproj: The projector's file; for a .gguf file, None takes the one mmproj*.gguf beside it.

    Raises:
        UsageError: the projector is not named and not to be found, or `model` is no such name.
        UnknownModelError: a file is missing or is no GGUF file.
    """
    if model == DEMO:
        if mmproj is not None:
            raise UsageError("demo brings its own picture projector; leave --mmproj out")
        pair = GgufPair(_DEMO_FOLDER / "scenes-demo.gguf", _DEMO_FOLDER / "scenes-demo-mmproj.gguf")
        return check_pair(pair)
    path = Path(model).expanduser()
    if path.is_dir():
        return check_pair(_in_folder(path, mmproj))
    if path.is_file() or (model.lower().endswith(".gguf") and not _is_hub_file(model)):
        if not path.is_file():
            raise UnknownModelError(f"there is no file {path}")
        _check_is_model(path)
        found = Path(mmproj).expanduser() if mmproj else _beside(path)
        return check_pair(GgufPair(path, found))
    repo, _, wanted = model.partition(":")
    if not _REPO.fullmatch(repo):
        raise UsageError(
            f"{model!r} is no model: give 'demo', a .gguf file, a folder with one, or a hub "
            "repository 'owner/name'"
        )
    if mmproj is not None:
        raise UsageError("mmproj goes with a .gguf file; a hub repository brings its own")
    return HubPair(repo, wanted)


def check_pair(pair: GgufPair) -> GgufPair:
    """Make sure that both files are whole and belong together, by their headers.

    Raises:
        UnknownModelError: a file is missing, broken or incomplete.
        UsageError: they are swapped, or not of one model.
    """
    model, mmproj = _header(pair.model), _header(pair.mmproj)
    if model.is_projector and not mmproj.is_projector:
        raise UsageError(
            f"{pair.model.name} is the picture projector and {pair.mmproj.name} the model: give "
            "them the other way round"
        )
    if model.is_projector:
        raise UsageError(f"{pair.model.name} is a picture projector, not a model")
    if not mmproj.is_projector:
        raise UsageError(
            f"{pair.mmproj.name} is no picture projector but a model ({mmproj.architecture})"
        )
    width, made = model.number("embedding_length"), mmproj.values.get("clip.vision.projection_dim")
    if width and isinstance(made, int) and made % width:
        raise UsageError(
            f"{pair.mmproj.name} belongs to another model: it makes vectors of {made} numbers, and "
            f"{pair.model.name} takes {width}"
        )
    return pair


def context_of(pair: GgufPair) -> int | None:
    """The most tokens of one request that the model was made for, if its file says so."""
    return _header(pair.model).number("context_length")


def _header(file: Path) -> GgufHeader:
    try:
        header = read_gguf(file)
        size = file.stat().st_size
    except OSError as error:
        raise UnknownModelError(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise UnknownModelError(f"{file} cannot be used: {error}") from None
    if size < header.bytes:
        raise UnknownModelError(
            f"{file} is incomplete: it has {size:,} of {header.bytes:,} bytes; download it again"
        )
    return header


def _check_is_model(file: Path) -> None:
    """Say of a projector that it is one, before another is looked for beside it."""
    if _header(file).is_projector:
        raise UsageError(
            f"{file.name} is a picture projector, not a model: give it with --mmproj, and the "
            "model's own .gguf file with --model"
        )


def _in_folder(folder: Path, mmproj: str | None) -> GgufPair:
    """The one model in a folder, with its projector."""
    files = sorted(file for file in folder.glob("*.gguf") if file.is_file())
    if not files:
        is_checkpoint = (folder / "config.json").is_file()
        hint = "; it is a model for vLLM: give it with --vllm" if is_checkpoint else ""
        raise UnknownModelError(
            f"{folder} is a folder without a .gguf file, which llama.cpp needs{hint}"
        )
    models = [f for f in files if not _is_projector_name(f) and not _PART.search(f.name)]
    models += [f for f in files if _FIRST_PART in f.name and not _is_projector_name(f)]
    if not models:
        raise NoVisionError(f"the folder {folder} holds a picture projector and no model")
    if len(models) > 1:
        names = ", ".join(file.name for file in models)
        raise UsageError(f"the folder {folder} holds several models: give one of {names}")
    return GgufPair(models[0], Path(mmproj).expanduser() if mmproj else _beside(models[0]))


def _is_projector_name(file: Path) -> bool:
    return "mmproj" in file.name.lower()


def _is_hub_file(model: str) -> bool:
    repo, colon, _ = model.partition(":")
    return bool(colon) and _REPO.fullmatch(repo) is not None


def _beside(model: Path) -> Path:
    found = sorted(f for f in model.parent.glob("*.gguf") if _is_projector_name(f))
    found = [f for f in found if f != model]
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
