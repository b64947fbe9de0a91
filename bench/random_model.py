"""Makes a larger model with the demo model's tokenizer and random weights, for timing alone.

    python random_model.py FOLDER

FOLDER gets a checkpoint as vLLM takes it and, in ``gguf/``, the same as a pair of GGUF files. Its
words mean nothing, but it never ends an answer of its own accord: where all clients ask for the
same number of tokens, all get it. Needs numpy and gguf.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from demo.gguf_writer import Array, Tensors, read_tensors, write_pair  # noqa: E402

DEMO = ROOT / "demo" / "checkpoint"
WIDER = 4
"""Every width, as a multiple of the demo model's; so 14 times its work."""

_WIDE_HEADS = 2  # of WIDER; the rest of it are more heads
_PLAIN = range(32, 127)


def main() -> None:
    """Make it where the arguments say."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for file in DEMO.glob("*.json"):
        shutil.copy(file, folder)
    config = json.loads((DEMO / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(_larger(config), indent=1))
    rng = np.random.default_rng(0)
    tensors = {name: _values(name, shape, rng) for name, shape in _shapes().items()}
    tensors["lm_head.weight"][_unsaid(config["vocab_size"])] = 0.0
    write_tensors(folder / "model.safetensors", tensors)
    write_pair(folder, folder / "gguf", "random")


def _larger(config: dict[str, Any]) -> dict[str, Any]:
    vision = dict(config["vision_config"])
    for name in ("hidden_size", "intermediate_size", "out_hidden_size"):
        vision[name] *= WIDER
    vision["num_heads"] *= WIDER // _WIDE_HEADS
    wide = {name: config[name] * WIDER for name in ("hidden_size", "intermediate_size")}
    heads = {
        name: config[name] * WIDER // _WIDE_HEADS
        for name in ("num_attention_heads", "num_key_value_heads")
    }
    sections = [part * _WIDE_HEADS for part in config["rope_scaling"]["mrope_section"]]
    return {
        **config,
        **wide,
        **heads,
        "rope_scaling": {**config["rope_scaling"], "mrope_section": sections},
        "tie_word_embeddings": False,
        "vision_config": vision,
    }


def _shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor: the demo model's, wider."""
    shapes = {}
    for name, values in read_tensors(DEMO / "model.safetensors").items():
        if name == "model.embed_tokens.weight":
            shape = values.shape[0], values.shape[1] * WIDER
            shapes["lm_head.weight"] = shape
        elif values.ndim > 2:  # of the picture's patches only the outputs are more
            shape = values.shape[0] * WIDER, *values.shape[1:]
        else:
            shape = tuple(side * WIDER for side in values.shape)
        shapes[name] = shape
    return shapes


def _values(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    if len(shape) == 1:
        return np.full(shape, 0.0 if name.endswith("bias") else 1.0, np.float32)
    return rng.standard_normal(shape, np.float32) / math.sqrt(math.prod(shape[1:]))


def _unsaid(vocabulary: int) -> list[int]:
    """Tokens that must not win: special ones, unused ones, and parts of letters.

    Their scores are made 0, and among hundreds of random scores one is always greater.
    """
    tokenizer = json.loads((DEMO / "tokenizer.json").read_text())
    plain = {
        number
        for text, number in tokenizer["model"]["vocab"].items()
        if all(ord(letter) in _PLAIN for letter in text)
    }
    special = {token["id"] for token in tokenizer["added_tokens"]}
    return [number for number in range(vocabulary) if number not in plain or number in special]


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Write a safetensors file in bf16 (https://github.com/huggingface/safetensors#format)."""
    header, place = {}, 0
    for name, values in tensors.items():
        end = place + values.size * 2
        header[name] = {"dtype": "BF16", "shape": values.shape, "data_offsets": [place, end]}
        place = end
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)  # the data shall begin at a multiple of 8
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for values in tensors.values():
            # bf16 is the upper half of a float32
            file.write((np.ascontiguousarray(values).view(np.uint32) >> 16).astype("<u2"))


if __name__ == "__main__":
    main()
