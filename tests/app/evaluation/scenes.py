"""Drawn scenes whose truth is known, captions with planted errors, and judges that know the truth.

The scenes are those that the demo model was trained to caption (``demo/scenes.py``).
"""

from __future__ import annotations

import importlib.util
import json
import random
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.paths import ROOT

SEED = 7_700_000
"""Of the first scene; the demo model was trained on others."""


def _scenes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_scenes", ROOT / "demo" / "scenes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo_scenes"] = module
    spec.loader.exec_module(module)
    return module


scenes = _scenes()
_NAMED = re.compile(
    rf"({'|'.join(scenes.SIZES)}) ({'|'.join(scenes.COLOURS)}) ({'|'.join(scenes.SHAPES)})"
)


def draw(folder: Path, count: int) -> list[Any]:
    """Draw scenes into ``folder``; returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [scenes.scene(SEED + number) for number in range(count)]
    for number, scene in enumerate(made):
        scenes.draw(scene, side=160).save(folder / f"{number:03}.png")
    return made


def write(path: Path, captions: list[str], *, pictures: Path) -> str:
    """A dataset with these captions."""
    rows = [
        json.dumps({"image": str(pictures / f"{number:03}.png"), "caption": text})
        for number, text in enumerate(captions)
    ]
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def with_errors(captions: list[str], share: float, *, seed: int = 0) -> list[str]:
    """The captions, of which this share calls an item by another color."""
    rng = random.Random(seed)
    changed = set(rng.sample(range(len(captions)), round(share * len(captions))))
    return [_wrong(text) if n in changed else text for n, text in enumerate(captions)]


def _wrong(caption: str) -> str:
    found = _NAMED.search(caption)
    assert found is not None, caption
    colors = list(scenes.COLOURS)
    other = colors[(colors.index(found[2]) + 1) % len(colors)]
    return f"{caption[: found.start(2)]}{other}{caption[found.end(2) :]}"


def errors_in(caption: str, scene: Any) -> int:
    """How many of a caption's items are not in the scene, and how many of the scene's it lacks."""
    there = sorted((item.size, item.colour, item.shape) for item in scene.items)
    named = sorted(_NAMED.findall(caption))
    wrong = sum(item not in there for item in named) + sum(item not in named for item in there)
    return wrong + (f"{scene.ground} background" not in caption)


def questions_about(scene: Any, picture: str) -> list[dict[str, Any]]:
    """Questions whose answers follow from the scene."""
    colors = list(scenes.COLOURS)
    shapes = {item.shape for item in scene.items}
    asked = []
    for shape in scenes.SHAPES:
        answer = "yes" if shape in shapes else "no"
        asked.append({"question": f"Is there a {shape}?", "answer": answer, "category": "object"})
    for item in scene.items:
        if sum(other.shape == item.shape for other in scene.items) == 1:
            asked.append({
                "question": f"What color is the {item.shape}?", "answer": item.colour,
                "options": colors, "category": "color",
            })  # fmt: skip
    return [{"image": picture, **one} for one in asked]
