"""Models of a few bytes, whole by their headers: checkpoints and GGUF pairs."""

from __future__ import annotations

import json
import struct
from pathlib import Path

VISION = {"architectures": ["ScenesForConditionalGeneration"], "vision_config": {},
          "text_config": {"max_position_embeddings": 2048}}  # fmt: skip
BLIND = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 2048}


def safetensors(data: bytes = b"\0" * 64) -> bytes:
    header = {"w": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def checkpoint(folder: Path, config: dict | None = None, data: bytes = b"\0" * 64) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(VISION if config is None else config))
    (folder / "model.safetensors").write_bytes(safetensors(data))
    return folder


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def gguf(architecture: str, values: dict[str, int | str], data: bytes = b"\0" * 64) -> bytes:
    """A file of one tensor of bytes."""
    pairs = {"general.architecture": architecture, **values}
    parts = [b"GGUF", struct.pack("<IQQ", 3, 1, len(pairs))]
    for name, value in pairs.items():
        parts.append(_text(name))
        if isinstance(value, str):
            parts.append(struct.pack("<I", 8) + _text(value))
        else:
            parts.append(struct.pack("<II", 4, value))
    parts.append(_text("w") + struct.pack("<IQIQ", 1, len(data), 24, 0))
    head = b"".join(parts)
    return head + b"\0" * (-len(head) % 32) + data


def model(width: int = 8, data: bytes = b"\0" * 64) -> bytes:
    values = {"llama.embedding_length": width, "llama.context_length": 512}
    return gguf("llama", values, data)


def projector(width: int = 8) -> bytes:
    return gguf("clip", {"clip.vision.projection_dim": width})


def pair(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "eyes.gguf").write_bytes(model())
    (folder / "mmproj-eyes.gguf").write_bytes(projector())
    return folder
