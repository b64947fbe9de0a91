"""How well each check does on the labelled texts of the tests: precision and recall.

``python tools/checks_table.py`` prints the table of ``docs/checks.md``; with ``--misses`` it names
the texts on which the checks err, of the part that they were made with alone.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from check_grammar import FORMS, samples

from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.core.picture import ImageRef
from dataflow.core.protocols.check import CheckContext

TEXTS = Path(__file__).resolve().parents[1] / "tests" / "checks" / "texts.jsonl"
KINDS = (
    *("empty", "control", "characters", "cut_off", "refusal", "thoughts", "chatter", "error_text"),
    *("loop", "echo", "markup", "language", "length", "wording", "repeated", "schema"),
)
OVERLAPPING = frozenset(
    {
        "empty",
        "control",
        "characters",
        "refusal",
        "thoughts",
        "chatter",
        "error_text",
        "echo",
        "markup",
    }
)
"""Kinds that may rightly see a fault in a text that was written for another kind."""

SCENE = {
    "type": "object",
    "properties": {
        "shapes": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "shape": {"enum": ["circle", "square", "triangle"]},
                    "colour": {"type": "string"},
                },
                "required": ["shape", "colour"],
            },
        },
        "background": {"type": "string"},
    },
    "required": ["shapes", "background"],
}
"""The schema that ``"schema": "scene"`` of a text means."""


@dataclass(frozen=True)
class Text:
    """A labelled text: what it is about, and whether it has that fault or only looks like it."""

    part: str
    language: str
    about: str
    fault: bool
    text: str
    also: tuple[str, ...]
    context: CheckContext
    asked: dict[str, Any]


@dataclass
class Score:
    """What a check did: faults found, faults missed, false alarms, rightly let pass."""

    found: int = 0
    missed: list[Text] = field(default_factory=list)
    false: list[Text] = field(default_factory=list)
    passed: int = 0

    @property
    def faults(self) -> int:
        """The texts with a fault of its kind."""
        return self.found + len(self.missed)

    @property
    def precision(self) -> float:
        """The share of its verdicts that are right."""
        return self.found / max(1, self.found + len(self.false))

    @property
    def recall(self) -> float:
        """The share of the faults that it found."""
        return self.found / max(1, self.faults)


def texts() -> Iterator[Text]:
    """The labelled texts in their order."""
    for line in TEXTS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        picture, prompt = row.get("picture"), row.get("prompt")
        yield Text(
            part=row["part"],
            language=row["language"],
            about=row["about"],
            fault=row["fault"],
            text=spelled_out(row["text"]),
            also=tuple(row.get("also", ())),
            context=CheckContext(
                finish_reason=row.get("finish_reason"),
                prompts=(prompt,) if prompt else (),
                pictures=(ImageRef("path", picture, picture),) if picture else (),
            ),
            asked=row.get("asked", {}),
        )


def spelled_out(text: str | list[str | list[Any]]) -> str:
    """A text whose repeated pieces are written ``[piece, times]``, in full."""
    if isinstance(text, str):
        return text
    return "".join(piece if isinstance(piece, str) else piece[0] * piece[1] for piece in text)


def scores(part: str | None) -> dict[str, Score]:
    """The score of each check over the texts of `part`, or over all."""
    found = {kind: Score() for kind in KINDS}
    stream = checks_for(CaptionRequirements())["repeated"]
    for text in texts():
        if part is not None and text.part != part:
            continue
        asked = {"language": text.language, "max_duplicates": None, **text.asked}
        if asked.pop("schema", None):
            asked["schema"] = SCENE
        checks = checks_for(CaptionRequirements(**asked))
        if text.about == "repeated":
            checks["repeated"] = stream
        for kind, check in checks.items():
            if kind not in text.also:
                note(found[kind], text, kind, check(text.text, text.context) is not None)
    return found


def note(score: Score, text: Text, kind: str, is_alarm: bool) -> None:
    """Count what a check of `kind` said about `text`."""
    is_fault = text.fault and text.about == kind
    if is_alarm and text.fault and not is_fault and kind in OVERLAPPING:
        return
    if is_alarm and is_fault:
        score.found += 1
    elif is_alarm:
        score.false.append(text)
    elif is_fault:
        score.missed.append(text)
    else:
        score.passed += 1


def table() -> str:
    """The table of ``docs/checks.md``."""
    held_out, whole = scores("held"), scores(None)
    lines = [
        "| check | faults | sound | precision | recall | held out: faults | precision | recall |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        all_, held = whole[kind], held_out[kind]
        sound = all_.passed + len(all_.false)
        lines.append(
            f"| `{kind}` | {all_.faults} | {sound} | {all_.precision:.3f} | {all_.recall:.3f} "
            f"| {held.faults or '–'} | {share(held, held.precision)} | {share(held, held.recall)} |"
        )
    return "\n".join(lines)


def share(score: Score, figure: float) -> str:
    """`figure`, where there was something to find."""
    return f"{figure:.3f}" if score.faults else "–"


def forms_table(part: str = "") -> str:
    """How the checks do on the wording families that the classifier was not trained with.

    Args:
        part: The folder of ``check_texts`` that is looked at; all where it is empty.
    """
    checks = checks_for(CaptionRequirements(max_duplicates=None))
    found = [checks[kind] for kind in ("error_text", "refusal", "thoughts", "chatter", "echo")]
    counts: dict[tuple[str, str], list[int]] = {}
    for sample in samples(30, 0, part):
        if not sample.held:
            continue
        text = sample.text
        if sample.form == "lead_in":
            text = f"{text} A dog runs along the beach at sunset."
        elif sample.form == "lead_out":
            text = f"A dog runs along the beach at sunset. {text}"
        form = sample.form if sample.form in FORMS else "sound"
        for group in ("all", sample.language):
            count = counts.setdefault((form, group), [0, 0])
            count[0] += any(check(text, CheckContext()) for check in found)
            count[1] += 1
    groups = ["all", *sorted({group for _, group in counts} - {"all"})]
    forms = [form for form in (*FORMS, "sound") if (form, "all") in counts]
    lines = [f"| | {' | '.join(forms)} |", f"|---|{'---|' * len(forms)}"]
    for group in groups:
        cells = [counts.get((form, group)) for form in forms]
        shown = [f"{cell[0]} of {cell[1]}" if cell else "–" for cell in cells]
        lines.append(f"| {group} | {' | '.join(shown)} |")
    return "\n".join(lines)


def summary() -> str:
    """How many texts there are of what."""
    every = list(texts())
    faults = sum(text.fault for text in every)
    languages = Counter(text.language for text in every)
    held = sum(text.part == "held" for text in every)
    return (
        f"{len(every)} texts, {faults} with a fault and {len(every) - faults} that only look as if "
        f"they had one, {held} of them held out; by language: "
        + ", ".join(f"{language} {count}" for language, count in languages.most_common())
        + "."
    )


def main() -> int:
    """Print the table, or what the checks miss."""
    if "--misses" not in sys.argv[1:]:
        sys.stdout.write(f"{summary()}\n\n{table()}\n\n{forms_table()}\n")
        return 0
    for kind, score in scores("held" if "--held" in sys.argv[1:] else "tuned").items():
        for word, wrong in (("missed", score.missed), ("false alarm", score.false)):
            for text in wrong:
                sys.stdout.write(
                    f"{kind}: {word}: ({text.about}, {text.language}) {text.text[:110]!r}\n"
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
