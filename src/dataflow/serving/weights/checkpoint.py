"""A folder with a model's weights as Hugging Face lays them out: is it whole, and can it see?

Everything here reads names, sizes and headers only, so that a wrong model is found before an engine
spends minutes on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dataflow.core.errors import NoVisionError, UnknownModelError
from dataflow.serving.weights.safetensors_header import check_safetensors

CONFIG = "config.json"
OTHER_CONFIGS = ("params.json",)
"""Configurations of other layouts (Mistral's own), which only the engine can read."""

_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth")
_INDEXES = ("*.safetensors.index.json", "*.bin.index.json")
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_VISION_WORDS = ("vision", "visual", "image", "img_", "mm_", "pixel", "vit_", "audio", "video")
_BLIND_ENDING = "ForCausalLM"
_AGAIN = "download it again, or remove the folder to have it downloaded"


def check_checkpoint(folder: Path) -> None:
    """Make sure that `folder` holds a whole model that takes pictures.

    Raises:
        UnknownModelError: a file is missing, broken or incomplete; the message names it and the
            cure.
        NoVisionError: the model reads text only.
    """
    config = _read_config(folder)
    _check_downloads(folder)
    files = list(weight_files(folder))
    if not files:
        raise UnknownModelError(
            f"{folder} holds {CONFIG} but no weights (*.safetensors, *.bin): {_AGAIN}"
        )
    _check_shards(folder)
    for file in files:
        _check_weights(file)
    if config is not None:
        check_vision(config, folder, str(folder))


def check_vision(config: Mapping[str, Any], folder: Path, name: str) -> None:
    """Make sure that a model takes pictures, as far as its configuration tells.

    Args:
        config: Its ``config.json``.
        folder: Where its other files lie.
        name: The model's name, for the message.

    Raises:
        NoVisionError: it reads text only.
    """
    if any((folder / name).is_file() for name in _PROCESSORS) or "auto_map" in config:
        return
    if any(word in key.lower() for key in config for word in _VISION_WORDS):
        return
    architectures = config.get("architectures")
    kinds = [str(kind) for kind in architectures] if isinstance(architectures, list) else []
    if kinds and all(kind.endswith(_BLIND_ENDING) for kind in kinds):
        raise NoVisionError(
            f"{name} is a text model ({', '.join(kinds)}) and cannot see pictures: give a "
            "vision-language model, such as Qwen/Qwen2.5-VL-3B-Instruct"
        )


def weight_files(folder: Path) -> Iterator[Path]:
    """The files with weights in `folder`, in one kind: safetensors where there are any."""
    for pattern in _WEIGHTS:
        if found := sorted(folder.glob(pattern)):
            yield from found
            return


def read_config(folder: Path) -> dict[str, Any]:
    """The model's ``config.json``; empty where there is none that can be read."""
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def own_limit(folder: Path) -> int | None:
    """The most tokens of one request that the model's configuration allows, if it says so."""
    config = read_config(folder)
    text = config.get("text_config") or config.get("llm_config") or config
    if not isinstance(text, dict):
        return None
    stretched = text.get("rope_scaling") or text.get("rope_parameters") or {}
    if any("factor" in key for key in stretched):  # a stretched context: the engine knows how far
        return None
    limit = text.get("max_position_embeddings", config.get("max_position_embeddings"))
    return limit if isinstance(limit, int) and limit > 0 else None


def pixels_per_token(folder: Path) -> int | None:
    """Pixels of a picture that become one token, where the model's processor is Qwen's.

    Patches of `patch_size` pixels are merged `merge_size` by `merge_size`
    (https://huggingface.co/docs/transformers/model_doc/qwen2_5_vl).
    """
    try:
        processor = json.loads((folder / _PROCESSORS[0]).read_text("utf-8"))
        return int(processor["patch_size"] * processor["merge_size"]) ** 2
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read_config(folder: Path) -> dict[str, Any] | None:
    """The configuration; None where it is of another layout.

    Raises:
        UnknownModelError: there is none that can be read.
    """
    path = folder / CONFIG
    if not path.is_file():
        if any((folder / name).is_file() for name in OTHER_CONFIGS):
            return None
        raise UnknownModelError(f"{folder} holds no model: {_what_is_there(folder)}")
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UnknownModelError(f"{path} cannot be read ({error}): {_AGAIN}") from None
    if not isinstance(config, dict):
        raise UnknownModelError(f"{path} is no model's configuration: {_AGAIN}")
    return config


def _what_is_there(folder: Path) -> str:
    ggufs = sorted(file.name for file in folder.glob("*.gguf"))
    if ggufs:
        return f"its files are for llama.cpp ({', '.join(ggufs[:3])}); give the folder with --model"
    try:
        is_empty = not any(folder.iterdir())
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if is_empty:
        return "it is empty"
    inner = sorted(p.parent.name for p in folder.glob(f"*/{CONFIG}"))
    hint = f"; do you mean its folder {inner[0]}?" if inner else ""
    return f"there is no {CONFIG} in it{hint}"


def _check_downloads(folder: Path) -> None:
    broken = [*folder.glob("*.incomplete"), *folder.glob("*.part"), *folder.glob("*.aria2")]
    if broken:
        raise UnknownModelError(
            f"{folder} is half a download ({broken[0].name} is not finished): let it finish, or "
            f"{_AGAIN}"
        )


def _check_shards(folder: Path) -> None:
    indexes = [index for pattern in _INDEXES for index in folder.glob(pattern)]
    if any(index.name.endswith(_INDEXES[0][1:]) for index in indexes):
        indexes = [index for index in indexes if index.name.endswith(_INDEXES[0][1:])]
    for index in indexes:
        try:
            names = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            raise UnknownModelError(f"{index} cannot be read: {_AGAIN}") from None
        missing = sorted(str(name) for name in names if not (folder / str(name)).is_file())
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise UnknownModelError(
                f"{folder} lacks {missing[0]}{more} of the {len(names)} files that {index.name} "
                f"names: {_AGAIN}"
            )


def _check_weights(file: Path) -> None:
    try:
        if file.suffix == ".safetensors":
            check_safetensors(file)
        elif file.stat().st_size == 0:
            raise ValueError("it is empty")
    except ValueError as error:
        raise UnknownModelError(f"{file} is broken or incomplete: {error}; {_AGAIN}") from None
    except OSError as error:
        raise UnknownModelError(f"{file} cannot be read: {error.strerror}") from None
