"""What vLLM's server writes while it loads, in words for people."""

from __future__ import annotations

import re
from collections.abc import Sequence

_STEPS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"Loading (?:safetensors|pt|\w+) checkpoint shards:.*?(\d+)/(\d+)"),
     "loading weights {0}/{1}"),
    (re.compile(r"Starting to load model|Loading model from scratch"), "loading weights"),
    (re.compile(r"Loading weights took|Model loading took"), "weights are loaded"),
    (re.compile(r"Encoder cache will be|profil\w+ .*encoder", re.IGNORECASE), "measuring memory"),
    (re.compile(r"torch\.compile takes|Compiling a graph|Dynamo bytecode"), "compiling"),
    (re.compile(r"Capturing CUDA graphs?.*?(\d+)/(\d+)"), "capturing graphs {0}/{1}"),
    (re.compile(r"Capturing CUDA graph|Graph capturing"), "capturing graphs"),
    (re.compile(r"KV cache size|# (?:GPU|CPU) blocks"), "the KV cache is laid out"),
    (re.compile(r"Starting vLLM (?:API )?server|Application startup complete"), "opening its port"),
)  # fmt: skip
_CACHE = re.compile(r"KV cache size:\s*([\d,]+) tokens")
_CONCURRENCY = re.compile(r"Maximum concurrency for ([\d,]+) tokens per request:\s*([\d.]+)x")


def find_step(lines: Sequence[str]) -> str:
    """How far the start is, by the latest line that says it; empty before any does."""
    for line in reversed(lines):
        for pattern, text in _STEPS:
            if found := pattern.search(line):
                return text.format(*found.groups())
    return ""


def find_choices(lines: Sequence[str]) -> str:
    """What vLLM chose by itself: its KV cache and how many long requests fit; empty if unsaid."""
    said = []
    for line in lines:
        if found := _CACHE.search(line):
            said.append(f"a KV cache of {found[1]} tokens")
        if found := _CONCURRENCY.search(line):
            said.append(f"{float(found[2]):,.0f} requests of {found[1]} tokens at once")
    return ", ".join(dict.fromkeys(said))
