"""What docs/presets.md says of each preset: its request as it is sent, its checks, its examples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dataflow.core.picture import Picture
from dataflow.core.row import Row
from dataflow.operators.core_vision.preset import Example, Preset, preset_names, preset_of
from dataflow.operators.core_vision.prompts import Prompt
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.openai.request_body import build_body

_PICTURE = Picture(b"\0", "image/jpeg", 1, 1)


def list_table() -> str:
    """Every preset, in a line each."""
    rows = [
        f"| [`{one.name}`](#{one.name}) | {one.version} | {one.summary} |"
        for one in map(preset_of, preset_names())
    ]
    return "\n".join(["| preset | version | what it is for |", "|---|---|---|", *rows])


def sections() -> str:
    """A section for each preset."""
    return "\n\n".join("\n\n".join(_section(preset_of(name))) for name in preset_names())


def request_of(preset: Preset) -> dict[str, Any]:
    """The body of the request that `preset` makes of a picture, as it is sent; no picture in it."""
    make = RowRequests(image_key="image", prompts=[Prompt("caption", preset=preset)])
    [request] = make(Row(0, {"image": "picture.jpg"}, "row 0"))
    assert not isinstance(request, Exception)  # noqa: S101
    body = build_body(request, [_PICTURE], model="…", sampling=request.sampling)
    sent: dict[str, Any] = json.loads(body)
    for message in sent["messages"]:
        parts = message["content"] if isinstance(message["content"], list) else []
        for part in parts:
            if part["type"] == "image_url":
                part["image_url"]["url"] = "data:image/jpeg;base64,…"
    return sent


def _section(preset: Preset) -> Iterator[str]:
    yield f"### {preset.name}"
    yield f"Version {preset.version}. {preset.summary}"
    yield f"```json\n{json.dumps(request_of(preset), ensure_ascii=False, indent=2)}\n```"
    yield f"Checks: {_words(preset.checks) or 'whether there is an answer'}."
    yield f"Steps: {', '.join(f'`{step}`' for step in preset.steps) or 'none'}."
    yield "\n".join(["| picture | answer | |", "|---|---|---|", *map(_line, preset.examples)])


def _words(checks: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}` {_value(value)}".strip() for name, value in checks.items())


def _value(value: Any) -> str:
    if value is True:
        return ""
    values = value if isinstance(value, tuple) else (value,)
    return ", ".join(f"`{_cell(str(one))}`" for one in values)


def _line(example: Example) -> str:
    return f"| {_cell(example.picture)} | {_cell(example.answer)} | {example.by} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")
