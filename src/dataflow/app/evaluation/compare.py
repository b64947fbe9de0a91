"""Compare captions of the same pictures: a judge sees each pair in both orders.

The judge's pass is an ordinary run over a dataset of pairs: it has a journal, resumes, heeds
budgets and may go through a Batch API.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataflow.app.estimate import EstimateResult
from dataflow.app.evaluation.blind import QUESTION, as_both_orders, ask_person
from dataflow.app.evaluation.comparison_document import comparison_document
from dataflow.app.evaluation.comparison_result import (
    BLIND,
    Comparison,
    JudgedCaptions,
    comparison_value,
)
from dataflow.app.evaluation.joining import Join, JoinedRow, join_captions, keep_pictures
from dataflow.app.evaluation.judge_run import (
    JudgeRun,
    ask_judge,
    estimate_judge,
    judge_model,
    judge_of,
)
from dataflow.app.evaluation.opening import PictureFiles
from dataflow.app.evaluation.output.pages import write_result
from dataflow.app.options.evaluation.compare import CompareOptions
from dataflow.app.reporter import SILENT, Reporter
from dataflow.core.errors import UsageError
from dataflow.evaluate.bradley_terry import DisconnectedError, Wins, rating_intervals
from dataflow.evaluate.judge import PROMPT, SCHEMA, judge_template, read_choice
from dataflow.evaluate.pairs import (
    Choice,
    JudgedPair,
    PairResult,
    judged,
    needs_judge,
    summarize,
)
from dataflow.evaluate.statistics import IntervalEstimate

PERSON = "a person, blind"
"""The judge's name where a person decides."""
EXAMPLES = 60
"""Judged pictures that the page shows."""


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the judge said: picture, dataset shown first, dataset shown second → choice, reason."""

    choices: dict[tuple[str, int, int], Choice | None] = field(default_factory=dict)
    reasons: dict[tuple[str, int, int], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Task:
    """A comparison before its judge is asked."""

    names: tuple[str, ...]
    join: Join
    rows: Sequence[JoinedRow]
    prompt: str
    judge: str
    folder: Path

    @property
    def run(self) -> JudgeRun:
        return JudgeRun(
            folder=self.folder,
            rows=_questions(self.rows),
            prompt=judge_template(self.prompt),
            schema=SCHEMA,
        )


def compare(
    options: CompareOptions,
    reporter: Reporter = SILENT,
    *,
    on_ready: Callable[[str], None] | None = None,
) -> Comparison:
    """Compare the captions of two or more datasets.

    Args:
        options: What is compared, and by which judge.
        reporter: Who shows the run.
        on_ready: Called with the page's address where a person is the judge.

    Raises:
        UsageError: There are fewer than two datasets, no picture is in all of them, or the judge's
            question lacks a caption.
        StopRunError: The run stopped; what is answered is kept.
    """
    task = _task(options, reporter)
    answers = _Answers()
    if options.blind:
        return _by_person(options, task, answers, on_ready or reporter.say)
    for row, [answer] in ask_judge(options, reporter, task.run):
        key = row["name"], row["a"], row["b"]
        choice, reason = (None, "") if answer is None else read_choice(answer)
        answers.choices[key], answers.reasons[key] = choice, reason
    return _written(_result(options, task, answers))


def _by_person(
    options: CompareOptions, task: _Task, answers: _Answers, on_ready: Callable[[str], None]
) -> Comparison:
    """The comparison by a person's decisions; pairs that are not decided are left out."""
    decisions = ask_person(
        task.rows,
        task.folder / "decisions.jsonl",
        seed=options.seed,
        on_ready=on_ready,
        port=options.port,
    )
    answers.choices.update(as_both_orders(decisions))
    return _written(_result(options, task, answers, is_person=True))


def _written(result: Comparison) -> Comparison:
    """`result`, of which the files are written."""
    write_result(result.folder, comparison_value(result), comparison_document(result))
    return result


def estimate_comparison(
    options: CompareOptions, reporter: Reporter = SILENT
) -> EstimateResult | None:
    """What the comparison would ask and cost; None where there is nothing to ask.

    Raises:
        UsageError: As `compare`.
    """
    return estimate_judge(options, reporter, _task(options, reporter).run)


def _task(options: CompareOptions, reporter: Reporter) -> _Task:
    names = tuple(options.datasets)
    if len(names) < 2 or len(set(names)) < len(names):
        raise UsageError("compare needs two or more different datasets")
    prompt = QUESTION if options.blind else _prompt(options.judge_prompt)
    join = join_captions(
        names,
        output_key=options.output_key,
        image_key=options.image_key,
        column=options.join,
        facet=options.facet,
    )
    _say_join(join, reporter)
    rows = join.rows
    if options.sample is not None and options.sample < len(rows):
        rows = random.Random(options.seed).sample(rows, options.sample)
    folder = Path(options.output)
    rows = keep_pictures(
        rows,
        names[0],
        image_key=options.image_key,
        output_key=options.output_key,
        column=options.join,
        by=join.by,
        pictures=PictureFiles(folder / "pictures"),
    )
    judge = BLIND if options.blind else judge_of(options, prompt, SCHEMA)
    return _Task(names, join, rows, prompt, judge, folder / judge)


def _say_join(join: Join, reporter: Reporter) -> None:
    reporter.say(f"{len(join.rows):,} pictures are in all datasets, joined {join.by}")
    for name, count in join.missing.items():
        if count:
            reporter.say(f"{name} lacks {count:,} pictures that the others have; they are left out")
    for name, count in join.nameless.items():
        if count:
            reporter.say(
                f"{count:,} rows of {name} name no single picture and are left out",
                is_warning=True,
            )
    for name, count in join.repeated.items():
        if count:
            reporter.say(
                f"{count:,} rows of {name} repeat a picture and are left out; its first row counts",
                is_warning=True,
            )


def _result(
    options: CompareOptions, task: _Task, answers: _Answers, *, is_person: bool = False
) -> Comparison:
    pairs = _pairs(task, answers, is_person=is_person)
    return Comparison(
        names=task.names,
        pictures=len(task.rows),
        joined=len(task.join.rows),
        joined_by=task.join.by,
        missing=task.join.missing,
        left_out={name: task.join.nameless[name] + task.join.repeated[name] for name in task.names},
        judge=task.judge,
        model=PERSON if is_person else judge_model(options),
        prompt=task.prompt,
        seed=options.seed,
        summaries={key: summarize(found, seed=options.seed) for key, found in pairs.items()},
        ratings=_ratings(task.names, pairs, options.seed),
        examples=list(itertools.islice(_examples(task, pairs, answers), EXAMPLES)),
        folder=task.folder,
    )


def _examples(
    task: _Task, pairs: Mapping[tuple[str, str], Sequence[JudgedPair]], answers: _Answers
) -> Iterator[JudgedCaptions]:
    """Pictures of which a judge said something, with its reasons."""
    by_name = {key: {pair.picture: pair for pair in found} for key, found in pairs.items()}
    for row in task.rows:
        results, reasons = {}, []
        for a, b in itertools.combinations(range(len(task.names)), 2):
            key = task.names[a], task.names[b]
            if row.name not in by_name[key]:
                continue
            results[key] = by_name[key][row.name].result
            for first, second in ((a, b), (b, a)):
                if reason := answers.reasons.get((row.name, first, second)):
                    reasons.append(reason)
        if any(result is not PairResult.EQUAL for result in results.values()):
            texts = dict(zip(task.names, row.texts, strict=True))
            yield JudgedCaptions(row.picture, texts, results, tuple(reasons))


def _prompt(path: str | None) -> str:
    if path is None:
        return PROMPT
    try:
        prompt = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"--judge-prompt {path}: {error}") from error
    if "{first}" not in prompt or "{second}" not in prompt:
        raise UsageError(f"--judge-prompt {path} needs both {{first}} and {{second}}")
    return prompt


def _questions(rows: Sequence[JoinedRow]) -> Iterator[dict[str, Any]]:
    """The pairs that the judge sees, each in both orders."""
    for one in rows:
        for a, b in itertools.permutations(range(len(one.texts)), 2):
            if needs_judge((one.texts[a] or None, one.texts[b] or None)):
                yield {
                    "image": one.picture,
                    "name": one.name,
                    "a": a,
                    "b": b,
                    "first": one.texts[a],
                    "second": one.texts[b],
                }


def _pairs(
    task: _Task, answers: _Answers, *, is_person: bool
) -> dict[tuple[str, str], list[JudgedPair]]:
    """Every two datasets → their pairs; without those that a person has not decided yet."""
    found = answers.choices

    def is_open(row: JoinedRow, a: int, b: int) -> bool:
        is_asked = needs_judge((row.texts[a] or None, row.texts[b] or None))
        return is_person and is_asked and (row.name, a, b) not in found

    return {
        (task.names[a], task.names[b]): [
            judged(
                one.name,
                (one.texts[a] or None, one.texts[b] or None),
                (found.get((one.name, a, b)), found.get((one.name, b, a))),
                facet=one.facet,
            )
            for one in task.rows
            if not is_open(one, a, b)
        ]
        for a, b in itertools.combinations(range(len(task.names)), 2)
    }


def _ratings(
    names: Sequence[str], pairs: Mapping[tuple[str, str], Sequence[JudgedPair]], seed: int
) -> dict[str, IntervalEstimate]:
    """Bradley-Terry ratings of more than two datasets; ties count half for each."""
    if len(names) < 3:
        return {}
    clusters: dict[str, dict[tuple[str, str], float]] = {}
    halves = (PairResult.TIE, PairResult.FLIP, PairResult.EQUAL)
    for (one, other), found in pairs.items():
        for pair in found:
            cluster = clusters.setdefault(pair.picture, {})
            if pair.result is PairResult.WIN:
                cluster[one, other] = 1.0
            elif pair.result is PairResult.LOSS:
                cluster[other, one] = 1.0
            elif pair.result in halves:
                cluster[one, other] = cluster[other, one] = 0.5
    meetings: list[Wins] = list(clusters.values())
    try:
        return rating_intervals(meetings, seed=seed)
    except DisconnectedError:
        return {}
