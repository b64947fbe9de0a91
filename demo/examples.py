"""Draw the pictures of ``examples/scenes`` from held-out seeds, and note their captions.

    python demo/examples.py

writes the pictures, and ``demo/examples.jsonl`` with what is to be seen in each. The captions
lie here so that a run over the examples does not take them for its input.
"""

from __future__ import annotations

import json
from pathlib import Path

import scenes

FOLDER = Path(__file__).parent.parent / "examples" / "scenes"
CHOSEN: dict[str, tuple[int, int]] = {
    "001.png": (0, 224),
    "002.png": (3, 320),
    "003.jpg": (10, 480),
    "004.png": (27, 160),
    "005.jpg": (15, 640),
    "006.png": (11, 256),
    "007.jpg": (40, 512),
    "008.png": (7, 128),
    "more/009.jpg": (18, 300),
    "more/010.png": (33, 400),
    "more/011.jpg": (35, 200),
    "more/012.png": (30, 600),
}
"""Per picture: which held-out scene it shows, and its longer side in pixels."""


def main() -> None:
    """Write the pictures and their captions."""
    lines = []
    for name, (number, side) in CHOSEN.items():
        scene = scenes.scene(scenes.HELD_OUT + number)
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        scenes.draw(scene, side=side).save(path, quality=88)
        lines.append({"image": name, "caption": scenes.caption(scene)})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    Path(__file__).with_suffix(".jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
