"""Training batches: drawn pictures, ways of asking, and the tokens of both."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import pictures
import prompts
import scenes

IGNORED = -100
SORTED = 3
"""Batches sorted by length together, so that little is padding."""


@dataclass(frozen=True)
class Example:
    """One picture with its tokens, their three-part positions, and what the answer is."""

    pixels: pictures.Pixels
    tokens: list[int]
    positions: NDArray[np.int64]
    labels: list[int]
    cells: NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """Examples of one grid, padded to one length."""

    patches: Tensor
    grid: pictures.Grid
    tokens: Tensor
    positions: Tensor
    labels: Tensor
    cells: Tensor

    def with_two_frames(self) -> Batch:
        """Return the batch as transformers wants it: each patch as two equal frames."""
        frames = self.patches.reshape(-1, 3, 1, 196).expand(-1, 3, 2, 196)
        return replace(self, patches=frames.reshape(-1, 1176))


class Maker:
    """Makes training batches without end; `rng` alone determines them."""

    def __init__(self, tokenizer: Any, rng: random.Random, size: int) -> None:
        self.rng = rng
        self.size = size
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}
        self._picture = tokenizer.convert_tokens_to_ids("<|image_pad|>")
        self._padding = tokenizer.pad_token_id

    def __iter__(self) -> Iterator[Batch]:
        waiting: dict[pictures.Grid, list[Example]] = defaultdict(list)
        ready: list[list[Example]] = []
        while True:
            example = self.example()
            height, width = example.pixels.shape[:2]
            same = waiting[height // pictures.CELL, width // pictures.CELL]
            same.append(example)
            if len(same) == self.size * SORTED:
                same.sort(key=lambda e: len(e.tokens))
                ready += [same[i : i + self.size] for i in range(0, len(same), self.size)]
                same.clear()
            if len(ready) > SORTED:
                yield self._pad(ready.pop(self.rng.randrange(len(ready))))

    def example(self) -> Example:
        """Make one example up."""
        scene = scenes.compose(self.rng, scenes.aspect_ratio(self.rng))
        pixels, box = pictures.shown(scene, self.rng)
        grid = pixels.shape[0] // pictures.CELL, pixels.shape[1] // pictures.CELL
        asked = prompts.ask(self.rng)
        head = self.encode(
            f"<|im_start|>system\n{asked.system}<|im_end|>\n"
            f"<|im_start|>user\n{asked.before}<|vision_start|>"
        )
        tail = self.encode(f"<|vision_end|>{asked.after}<|im_end|>\n<|im_start|>assistant\n")
        answer = self.encode(f"{scenes.caption(scene)}<|im_end|>")
        tokens = head + [self._picture] * (grid[0] * grid[1]) + tail + answer
        labels = [IGNORED] * (len(tokens) - len(answer)) + answer
        positions = _positions(len(head), grid, len(tail) + len(answer))
        return Example(pixels, tokens, positions, labels, _cells(scene, grid, box))

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text; common ones are remembered."""
        if text not in self._known:
            if len(self._known) > 100_000:
                self._known.clear()
            ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
            self._known[text] = ids
        return self._known[text]

    def _pad(self, examples: list[Example]) -> Batch:
        shape = (len(examples), max(len(e.tokens) for e in examples))
        tokens = torch.full(shape, self._padding)
        labels = torch.full(shape, IGNORED)
        positions = torch.zeros((3, *shape), dtype=torch.long)
        for i, e in enumerate(examples):
            tokens[i, : len(e.tokens)] = torch.tensor(e.tokens)
            labels[i, : len(e.labels)] = torch.tensor(e.labels)
            positions[:, i, : len(e.tokens)] = torch.from_numpy(e.positions)
        pixels = np.stack([e.pixels for e in examples])
        grid = pixels.shape[1] // pictures.CELL, pixels.shape[2] // pictures.CELL
        cells = torch.from_numpy(np.concatenate([e.cells for e in examples]))
        patches = torch.from_numpy(pictures.patches(pixels))
        return Batch(patches, grid, tokens, positions, labels, cells)


def _positions(before: int, grid: pictures.Grid, after: int) -> NDArray[np.int64]:
    """Return (time, row, column) of every token, as Qwen2.5-VL counts them."""
    rows, columns = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    picture = before + np.stack([np.zeros_like(rows), rows, columns])
    rest = before + max(grid) + np.arange(after)
    parts = [np.tile(np.arange(before), (3, 1)), picture, np.tile(rest, (3, 1))]
    return np.concatenate(parts, axis=1).astype(np.int64)


def _cells(scene: scenes.Scene, grid: pictures.Grid, box: pictures.Box) -> NDArray[np.float32]:
    """Return per cell: shape (0 = none), colour, size, and offset of the shape centred in it."""
    cells = np.full((grid[0] * grid[1], 5), -1, np.float32)
    cells[:, 0] = 0
    left, top, width, height = box
    for item in scene.items:
        x = (left + item.x / scene.width * width) / pictures.CELL
        y = (top + item.y / scene.height * height) / pictures.CELL
        column, row = min(grid[1] - 1, int(x)), min(grid[0] - 1, int(y))
        cells[row * grid[1] + column] = (
            1 + scenes.SHAPES.index(item.shape),
            list(scenes.COLOURS).index(item.colour),
            item.size == "large",
            x - column - 0.5,
            y - row - 0.5,
        )
    return cells
