"""What a test by questions found: as values, in words and in tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import stdev
from typing import Any

from dataflow.app.evaluation.output.document import Block, ResultDocument, ResultTable
from dataflow.core.version import __version__
from dataflow.evaluate.questions import AnsweredQuestion, QuestionSummary
from dataflow.evaluate.statistics import IntervalEstimate, interval_value

_METHOD = (
    "A text-only model reads each caption without its picture and answers all questions about the "
    "picture at once, each with the letter of a choice; the order of choices is drawn by the seed. "
    "It is never shown the true answers: they are compared, and points counted, by the program. "
    "Shares over all questions have Wilson's 95 % score interval, the mean over pictures a 95 % "
    "percentile bootstrap interval over pictures. Of a question that was asked several times the "
    "mean counts. Answers that cannot be read score 0; requests that failed are left out."
)
_RULES = {
    "match": "An answer scores 1 where it is the true one, else 0.",
    "captionqa": (
        "An answer scores 1 where it is the true one; 'cannot answer', which yes/no questions do "
        "not offer, scores 1/K + 0.05 of K choices (CaptionQA, arXiv:2511.21025)."
    ),
}


@dataclass(frozen=True, slots=True)
class AskResult:
    """What a test by questions found.

    Attributes:
        dataset: The captions.
        questions: The questions' dataset.
        joined_by: How they were joined, in words.
        unasked: In words, what was left out → how much of it.
        failed: Captions about which the reader gave no answer.
        reader: What tells this reader and its question from others.
        model: The reader's model.
        repeats: How often each question was answered.
        seed: Of the sample, of the order of choices and of the intervals.
        scoring: The rules by which answers were scored.
        summary: The figures.
        answered: Every question with its answers.
        folder: Where answers and result are.
    """

    dataset: str
    questions: str
    joined_by: str
    unasked: Mapping[str, int]
    failed: int
    reader: str
    model: str
    repeats: int
    seed: int
    scoring: tuple[str, ...]
    summary: QuestionSummary
    answered: Sequence[AnsweredQuestion] = field(repr=False)
    folder: Path


def ask_value(result: AskResult) -> dict[str, Any]:
    """The result as JSON values."""
    summary = result.summary
    return {
        "dataflow": __version__,
        "dataset": result.dataset,
        "questions": result.questions,
        "joined_by": result.joined_by,
        "left_out": dict(result.unasked),
        "failed": result.failed,
        "reader": {"model": result.model, "digest": result.reader},
        "repeats": result.repeats,
        "seed": result.seed,
        "scoring": list(result.scoring),
        "asked": summary.questions,
        "pictures": summary.pictures,
        "points": summary.points,
        "unreadable": summary.unreadable,
        "cannot_tell": summary.cannot_tell,
        "pooled": interval_value(summary.pooled),
        "by_picture": interval_value(summary.by_picture),
        "by_kind": {kind: interval_value(found) for kind, found in summary.by_kind.items()},
        "by_repeat": list(summary.by_repeat),
        "steady": summary.steady,
    }


def answer_values(result: AskResult) -> Iterator[dict[str, Any]]:
    """Every question with its answers, as JSON values."""
    for one in result.answered:
        yield {
            "picture": one.question.picture,
            "kind": one.question.kind,
            "question": one.question.text,
            "truth": one.question.answer,
            "answers": list(one.answers),
            "score": one.score,
        }


def ask_document(result: AskResult) -> ResultDocument:
    """The result for people."""
    summary = result.summary
    blocks: list[Block] = [
        (
            f"{summary.questions:,} questions about {summary.pictures:,} pictures, answered from "
            f"the captions alone by {result.model or 'the model'}."
        ),
        ResultTable("", (), _rows(result)),
    ]
    if len(summary.by_kind) > 1:
        kinds = [
            (kind or "none", f"{found.value:.1%}", f"{found.low:.1%} to {found.high:.1%}")
            for kind, found in summary.by_kind.items()
        ]
        blocks.append(ResultTable("By kind", ("kind", "score", "95 % interval"), kinds))
    settings = [
        ("reader", result.model),
        ("reader and question", result.reader),
        ("questions from", f"{result.questions}, joined {result.joined_by}"),
        ("seed", str(result.seed)),
        ("dataflow", __version__),
        *((what, f"{count:,}") for what, count in result.unasked.items()),
    ]
    return ResultDocument(
        title=f"Questions to the captions of {result.dataset}",
        blocks=blocks,
        method=[
            _METHOD,
            *(_RULES[name] for name in result.scoring),
            ResultTable("", (), settings),
        ],
    )


def _rows(result: AskResult) -> list[tuple[str, str]]:
    summary = result.summary
    rows = [
        ("score over all questions", _shown(summary.pooled)),
        ("mean over pictures", _shown(summary.by_picture)),
        ("points", f"{summary.points:,.2f} of {summary.questions:,}"),
        ("cannot tell", f"{summary.cannot_tell:.1%}"),
        ("answers that cannot be read", f"{summary.unreadable:,}"),
        ("captions without an answer", f"{result.failed:,}"),
    ]
    if result.repeats > 1:
        each = ", ".join(f"{score:.1%}" for score in summary.by_repeat)
        spread = f"; standard deviation {stdev(summary.by_repeat):.2%}" if summary.by_repeat else ""
        rows += [
            (f"each of {result.repeats} repeats", f"{each}{spread}"),
            ("the same answer each time", f"{summary.steady:.1%}"),
        ]
    return rows


def _shown(estimate: IntervalEstimate | None) -> str:
    if estimate is None:
        return "none"
    return f"{estimate.value:.1%} (95 % interval {estimate.low:.1%} to {estimate.high:.1%})"
