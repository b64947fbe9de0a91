"""Everything that reads what comes in, with hostile inputs of any size: the members of the suite.

Formats, checks and refinements are taken from their registries, so a new one is a member by being
registered; a parser is one line of `PARSERS`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dataflow.checks.dataset.near_duplicates import sketches_of
from dataflow.checks.suite import KINDS, CaptionRequirements, checks_for
from dataflow.core.errors import DataflowError
from dataflow.core.protocols.check import CheckContext
from dataflow.core.text import scrub, shown_url
from dataflow.core.times.retry_after import read_date, read_duration
from dataflow.evaluate.reference_scores import tokens_of
from dataflow.formats.base.json_values import dumps
from dataflow.formats.existing_captions import found_in
from dataflow.formats.known_formats import FORMATS
from dataflow.formats.output_spec import writer_for
from dataflow.formats.patterns.brace_patterns import expanded_braces, natural
from dataflow.formats.patterns.glob_filter import GlobFilter
from dataflow.formats.registry import ReadOptions, resolve_input
from dataflow.formats.rows_in_memory import RowsInMemory
from dataflow.images.decode.jpeg_passthrough import plain_jpeg
from dataflow.images.decode.sniff import sniff
from dataflow.images.reference import parse_reference
from dataflow.operators.core_vision.preset import REFINE
from dataflow.serving.openai.api_errors import read_api_error, shown_body
from dataflow.serving.openai.batch.batch_format import read_batch, read_line, read_list
from dataflow.serving.openai.model_list import read_model_list
from dataflow.serving.openai.rate_limit_headers import read_rate_limit, read_reset
from dataflow.serving.openai.replies import parse_json, text_of
from dataflow.serving.openai.streaming import EventLines


class Member(NamedTuple):
    """What reads input of a size.

    Attributes:
        size: At which it is measured first, and then at twice that.
        make: Writes the input of a size into a folder; returns what reads it.
    """

    size: int
    make: Callable[[Path, int], Callable[[], object]]


# --- formats: each that can be written and read ------------------------------------------------

SHAPES: dict[str, tuple[int, Callable[[int], list[dict[str, Any]]]]] = {
    "many rows": (200, lambda n: [{"image": f"{i}.jpg", "text": f"t{i}"} for i in range(n)]),
    "many columns": (150, lambda n: [{"image": "a.jpg"} | {f"c{i}": "x" for i in range(n)}] * 2),
    "a long cell": (100_000, lambda n: [{"image": "a.jpg", "text": 'x"\\\n,' * (n // 5)}] * 2),
    "a long list": (5_000, lambda n: [{"image": "a.jpg", "text": ["y"] * n}] * 2),
}
_ONLY_FOLDERS = {"hf_dataset", "saved", "folder"}


def _of_format(name: str, rows: Callable[[int], list[dict[str, Any]]]) -> Any:
    def make(folder: Path, size: int) -> Callable[[], object]:
        path = folder / f"x{FORMATS[name].endings[0]}"
        made = RowsInMemory(rows(size))
        writer = writer_for(path, made, [], format_name=name)(folder / "part")
        for row in made.rows():
            writer.write(row, {})
        writer.close()
        writer.commit(path)
        return lambda: _read(path)

    return make


def _read(path: Path) -> int:
    options = ReadOptions(skip_bad_rows=True)
    return sum(len(row.fields) for row in resolve_input(path).open(options).rows())


def writable_formats() -> list[str]:
    """The formats whose files can be written from any rows."""
    return [
        name
        for name, one in FORMATS.items()
        if one.endings and one.writer and not one.has_pictures and one.needs is None
    ]


# --- checks and refinements: each that is registered -------------------------------------------

_REQUIRED = CaptionRequirements(
    language="en", sentences=True, min_words=2, max_sentences=9, forbid=("x y",),
    forbid_pattern=(r"(a+)+$",), max_duplicates=3,
)  # fmt: skip
CHECKS = {
    **checks_for(_REQUIRED),
    "schema": checks_for(CaptionRequirements(schema={"type": "object"}))["schema"],
}
_CONTEXT = CheckContext(prompts=("Describe the image in a sentence or two.",))
TEXTS = (
    '"',
    "a.",
    "<p ",
    "**a",
    '{"a":',
    "- a\n",
    "no, ",
    "\u0301",
    "Sure! ",
    "word ",
    "我。",
    "\n",
)
"""What degenerate answers repeat."""


def _of_text(read: Callable[[str], object]) -> Any:
    def make(_: Path, size: int) -> Callable[[], object]:
        texts = [atom * (size // len(atom)) for atom in TEXTS]
        return lambda: [read(text) for text in texts]

    return make


def _check(kind: str) -> Callable[[str], object]:
    return lambda text: CHECKS[kind](text, _CONTEXT)


# --- parsers -------------------------------------------------------------------------------------


def _stream(text: str) -> object:
    lines = EventLines()
    return [list(lines.feed(text[at : at + 4096].encode())) for at in range(0, len(text), 4096)]


def _body(text: str) -> object:
    return read_api_error({"error": {"message": text, "code": text, "type": text}})


PARSERS: dict[str, Callable[[str], object]] = {
    "a reply's JSON": lambda text: parse_json(text.encode(), {}),
    "a reply's parts": lambda text: text_of([{"type": "text", "text": text}] * 20),
    "an error's body": _body,
    "an error shown": lambda text: shown_body({"a": text}, ["secret-of-mine"]),
    "a stream": _stream,
    "a list of models": lambda text: read_model_list(text.encode()),
    "a batch's line": lambda text: read_line(text.encode()),
    "a batch's state": lambda text: read_batch(text.encode()),
    "a list of batches": lambda text: read_list(text.encode()),
    "rate limits": lambda text: (
        read_rate_limit({"x-ratelimit-reset-requests": text, "x-ratelimit-limit-tokens": text}),
        read_reset({"Retry-After": text}, None, text),
    ),
    "a date": read_date,
    "a duration": read_duration,
    "a message": lambda text: scrub(text, secrets=["secret-of-mine"]),
    "a URL shown": lambda text: shown_url("https://host/" + text),
    "a picture's reference": lambda text: parse_reference(text, ["/nowhere"]),
    "a data URI": lambda text: parse_reference("data:image/png;base64," + text, ["/nowhere"]),
    "a list of references": lambda text: parse_reference([text[:9]] * (len(text) // 1000), ["/"]),
    "captions in a cell": found_in,
    "a JSON value": lambda text: dumps([text, {"a": [text]}]),
    "braces in a name": lambda text: expanded_braces("{0..9}" + text),
    "an order of names": natural,
    "a pattern": lambda text: GlobFilter(("**/*" + text[:200],)).takes(text[:4000]),
    "words": tokens_of,
    "near duplicates": lambda text: sketches_of([text, text + "x"]),
    "a picture's head": lambda text: sniff(text.encode()),
    "a JPEG": lambda text: plain_jpeg(b"\xff\xd8\xff\xda\0\2" + text.encode() + b"\xff\xd9"),
}


def _allowed(read: Callable[[str], object]) -> Callable[[str], object]:
    """A refusal in our own words is as good as reading."""

    def tried(text: str) -> object:
        with contextlib.suppress(DataflowError, ValueError, json.JSONDecodeError):
            return read(text)
        return None

    return tried


def members() -> Iterator[tuple[str, Member]]:
    """All members, by name."""
    for name in writable_formats():
        for shape, (size, rows) in SHAPES.items():
            yield f"format {name}: {shape}", Member(size, _of_format(name, rows))
    for kind in KINDS:
        yield f"check {kind}", Member(3_000, _of_text(_check(kind)))
    for name, refine in REFINE.items():
        yield f"refinement {name}", Member(3_000, _of_text(refine))
    for name, read in PARSERS.items():
        yield f"parser of {name}", Member(20_000, _of_text(_allowed(read)))


MEMBERS = dict(members())
"""Name → member."""
