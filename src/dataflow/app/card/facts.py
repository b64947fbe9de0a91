"""What a card says of an output: its record, its columns, its file and what people decided."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.app.known_output import known_output
from dataflow.app.options.commands.card import CardOptions
from dataflow.core.errors import UsageError
from dataflow.core.raw_json import parse_json, plain
from dataflow.engine.edits import edits_of
from dataflow.engine.paths import SideFiles
from dataflow.engine.provenance import model_name
from dataflow.evaluate.statistics import IntervalEstimate, wilson
from dataflow.formats.registry import open_reader

LOOKED_AT = 100
"""Rows from which the types of the columns are told."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an output.

    Attributes:
        path: The output, a file or the folder of the sidecars.
        record: Its ``OUTPUT.run.json``.
        columns: Each column's name and its type in JSON's words: ``"text"``, ``"int"``,
            ``"float"``, ``"bool"`` or ``"other"``; none for sidecars.
        size: Bytes of the file; 0 for sidecars.
        sha256: Of the file; empty for sidecars.
        decisions: How many captions people accepted, edited and rejected, by these words.
    """

    path: Path
    record: Mapping[str, Any]
    columns: Mapping[str, str]
    size: int
    sha256: str
    decisions: Mapping[str, int]

    @property
    def rows(self) -> int:
        """Rows of the output."""
        return int(self.record["counts"]["rows"])

    @property
    def models(self) -> Sequence[str]:
        """The models that gave its captions, without the folders of local files."""
        return [model_name(one["model"]) for one in self.record["models"]]

    @property
    def reviewed(self) -> int:
        """Captions that a person looked at and decided on."""
        return sum(self.decisions.values())

    @property
    def accepted_share(self) -> IntervalEstimate | None:
        """The share of the reviewed captions that stayed as they were; None without a review."""
        return wilson(self.decisions["accept"], self.reviewed) if self.reviewed else None


def facts_of(options: CardOptions) -> Facts:
    """Gather what is known of an output.

    Raises:
        UsageError: No run wrote there, or it left no record.
        JournalError: The journal cannot be read.
        InputError: The output cannot be read.
    """
    place = known_output(options.dataset)
    if not isinstance(place, Path):
        raise UsageError(f"{place}: a card is made of a dataset on this machine; fetch it first")
    record = _record(place)
    kinds = Counter(edit.kind for edit in edits_of(place))
    decisions = {kind: kinds[kind] for kind in ("accept", "edit", "reject")}
    if not place.is_file():
        return Facts(place, record, {}, 0, "", decisions)
    return Facts(place, record, _columns(place), place.stat().st_size, _sha256(place), decisions)


def _record(place: Path) -> Mapping[str, Any]:
    path = SideFiles(place).record
    try:
        record = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(
            f"there is no {path}, the record of the run: a card is made of it; run the command "
            "that wrote the captions again, which asks nothing again"
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no record of a run: {error}") from error
    needed = {"counts", "models", "prompts", "checks", "dataflow", "settings"}
    if not isinstance(record, dict) or not needed <= record.keys():
        raise UsageError(f"{path} is no record of a run; run the command again")
    return record


def _columns(place: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in itertools.islice(open_reader(place).rows(), LOOKED_AT):
        for name, value in row.fields.items():
            kind = _kind(plain(value))
            if found.get(name) in (None, kind) or kind is None:
                found[name] = kind or found.get(name, "")
            else:
                both = {found[name], kind}
                found[name] = "float" if both == {"int", "float"} else "other"
    return {name: kind or "text" for name, kind in found.items()}


def _kind(value: object) -> str | None:
    if value is None:
        return None
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float"), (str, "text")):
        if isinstance(value, kind):
            return name
    return "other"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()


def as_json(value: object) -> str:
    """`value` as JSON, which is YAML, too."""
    return json.dumps(value, ensure_ascii=False)
