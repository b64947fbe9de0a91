"""Models from a hub: found on this disk, or downloaded with progress, resumed, checked.

Two hubs are known. Each keeps files where its own library keeps them, so that what another program
downloaded is not downloaded again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from dataflow.core.errors import NoVisionError, UnknownModelError
from dataflow.serving.weights import checkpoint, hf_hub, modelscope_hub
from dataflow.serving.weights.downloads import Progress

HUBS = ("huggingface", "modelscope")

_OTHER_WEIGHTS = (".gguf", ".pth", ".onnx", ".h5", ".msgpack", ".bin", ".pt", ".tflite", ".ot")
_OTHER_FOLDERS = ("original/", "onnx/", "openvino/", "coreml/", "metal/", ".git")


Choice = Callable[[Sequence[str]], Sequence[str]]
"""Given a repository's files, those that are needed; raises `UnknownModelError` without them."""


def find(repo: str, choose: Choice, hub: str, cache: Path | None = None) -> list[Path]:
    """The files of `repo` that `choose` picks, on this disk; empty where one is missing."""
    folder = _module(hub).cached_folder(repo, cache)
    if folder is None or not folder.is_dir():
        return []
    there = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())
    try:
        return [folder / name for name in choose(there)]
    except UnknownModelError:
        return []


def fetch(
    repo: str,
    choose: Choice,
    *,
    hub: str,
    cache: Path | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
    after_first: Callable[[Path], None] = lambda _: None,
) -> list[Path]:
    """The files of `repo` that `choose` picks, downloaded; see `hf_hub.fetch`."""
    files: list[Path] = _module(hub).fetch(
        repo,
        choose,
        cache=cache,
        folder=folder,
        progress=progress,
        stop=stop,
        after_first=after_first,
    )
    return files


def _module(hub: str) -> ModuleType:
    return modelscope_hub if hub == "modelscope" else hf_hub


def choose_checkpoint(names: Sequence[str]) -> list[str]:
    """The files of a repository that an engine loads, small ones that tell of the others first.

    The same weights are often there several times, for other programs; safetensors are taken where
    there are any.
    """
    has_safetensors = any(name.endswith(".safetensors") and "/" not in name for name in names)
    skipped: tuple[str, ...] = _OTHER_WEIGHTS
    if not has_safetensors:
        skipped = tuple(ending for ending in skipped if ending not in (".bin", ".pt", ".pth"))
    chosen = [
        name
        for name in names
        if not name.startswith(_OTHER_FOLDERS) and not name.lower().endswith(skipped)
    ]
    return sorted(chosen, key=lambda name: (name != "config.json", _is_large(name), name))


def find_checkpoint(repo: str, *, hub: str, cache: Path | None) -> Path | None:
    """The folder on this disk with the whole model `repo`; None where it must be downloaded."""
    folder: Path | None = _module(hub).cached_folder(repo, cache)
    if folder is None:
        return None
    try:
        checkpoint.check_checkpoint(folder)
    except NoVisionError:
        raise
    except Exception:  # noqa: BLE001 - a download that was broken off goes on
        return None
    return folder


def fetch_checkpoint(
    repo: str,
    *,
    hub: str,
    cache: Path | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Path:
    """The folder with the model `repo`, downloaded where it is not on this disk.

    Args:
        repo: ``"owner/name"``.
        hub: One of `HUBS`.
        cache: The folder of the hub's cache; None takes the hub's own.
        folder: Where its files are put instead of the cache.
        progress: Hears how the download goes.
        stop: Asked while a file comes; True breaks the download off.

    Raises:
        UnknownModelError: no such repository, or the hub does not let us have it.
        NoVisionError: it is a text model; found before its weights are downloaded.
        UnreachableError: the hub does not answer; raised within seconds.
        EngineFailedError: the disk does not take the files, or `stop` said so.
    """
    files = fetch(
        repo,
        choose_checkpoint,
        hub=hub,
        cache=cache,
        folder=folder,
        progress=progress,
        stop=stop,
        after_first=lambda first: _check_first(first, repo),
    )
    found = folder or files[0].parent
    checkpoint.check_checkpoint(found)
    return found


def _check_first(file: Path, repo: str) -> None:
    """See by its configuration, which comes first, whether a model is worth downloading."""
    if file.name == checkpoint.CONFIG:
        config = checkpoint.read_config(file.parent)
        if not any(key.startswith("text") for key in config):
            checkpoint.check_vision(config, file.parent, repo)


def _is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".pt", ".pth"))
