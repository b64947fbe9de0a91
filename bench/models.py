"""The models that the bench of local engines runs, and the pictures it shows them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.process import DATA, ROOT, environment_with, measured

NAMES = ("big", "demo")
"""``demo`` is the bundled model; ``big`` its like with random weights and 14 times the work."""

MAX_TOKENS = 48
"""Of each answer. The demo model ends before, the big one never does."""

_PICTURE_TOKENS = 20  # at most, as the demo model's processor makes them


@dataclass(frozen=True, slots=True)
class Model:
    """A model in the forms that engines take.

    Attributes:
        name: One of `NAMES`.
        checkpoint: The folder that vLLM takes.
        gguf: What llama.cpp takes: a file beside its projector, or ``"demo"``.
        picture_tokens: Tokens of a picture at most; None where the model brings its number.
    """

    name: str
    checkpoint: Path
    gguf: str
    picture_tokens: int | None


def model_named(name: str) -> Model:
    """The model called `name`, made at first use.

    Raises:
        RuntimeError: the packages that making it needs cannot be installed.
    """
    if name == "demo":
        return Model(name, ROOT / "demo" / "checkpoint", "demo", None)
    folder = DATA / "random-model"
    pair = folder / "gguf" / "random.gguf"
    done = folder / ".done"
    if not done.exists():
        python = environment_with("gguf", "gguf", "numpy")
        if python is None:
            raise RuntimeError("gguf and numpy cannot be installed: use --model demo")
        measured([python, ROOT / "bench" / "random_model.py", folder])
        done.touch()
    return Model(name, folder, str(pair), _PICTURE_TOKENS)


def scenes(count: int) -> Path:
    """A dataset of `count` drawn scenes that the demo model was not trained on."""
    folder = DATA / f"scenes-{count}"
    rows = folder / "rows.jsonl"
    if not rows.exists():
        program = [sys.executable, ROOT / "demo" / "scenes.py", folder]
        measured([*program, "--count", str(count), "--seed", "1000000"])
        names = sorted(path.name for path in folder.iterdir() if path.suffix in {".png", ".jpg"})
        asked = [{"from": "human", "value": "Describe the image."}]
        rows.write_text(
            "".join(json.dumps({"image": name, "conversation": asked}) + "\n" for name in names)
        )
    return rows
