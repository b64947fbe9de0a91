"""Questions as a test of captions: a model that sees the caption alone answers them.

The truth never leaves this process, and all counting is done here. The reader's pass is an ordinary
run over the pictures' captions: it has a journal, resumes, heeds budgets and may go through a Batch
API.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.app.estimate import EstimateResult
from dataflow.app.evaluation.ask_result import (
    AskResult,
    answer_values,
    ask_document,
    ask_value,
)
from dataflow.app.evaluation.judge_run import (
    JudgeRun,
    ask_judge,
    estimate_judge,
    judge_model,
    judge_of,
)
from dataflow.app.evaluation.output.files import write_rows
from dataflow.app.evaluation.output.pages import write_result
from dataflow.app.evaluation.question_join import QuestionedCaption, join_questions
from dataflow.app.options.evaluation.ask import AskOptions
from dataflow.app.reporter import SILENT, Reporter
from dataflow.evaluate.questions import (
    LETTERS,
    AnsweredQuestion,
    answer_schema,
    ask_text,
    read_answers,
    summarize_answers,
)
from dataflow.evaluate.questions import (
    options as shown_choices,
)

_ASKED = "{asked}"


@dataclass(frozen=True, slots=True)
class _Task:
    """A test before the reader is asked."""

    captions: Sequence[QuestionedCaption]
    joined_by: str
    unasked: Mapping[str, int]
    schema: Mapping[str, Any]
    reader: str
    folder: Path
    seed: int
    repeats: int

    @property
    def run(self) -> JudgeRun:
        return JudgeRun(
            folder=self.folder,
            rows=self._rows(),
            prompt=_ASKED,
            schema=self.schema,
            repeats=self.repeats,
            is_text=True,
        )

    def _rows(self) -> Iterator[dict[str, Any]]:
        for one in self.captions:
            asked = ask_text(one.caption, one.questions, seed=self.seed)
            yield {"picture": one.picture, "asked": asked}


def ask(options: AskOptions, reporter: Reporter = SILENT) -> AskResult:
    """Test the captions of a dataset by questions.

    Args:
        options: Which captions, which questions, and who answers them.
        reporter: Who shows the run.

    Raises:
        UsageError: A question cannot be scored, or no caption has questions.
        StopRunError: The run stopped; what is answered is kept.
    """
    task = _task(options, reporter)
    answered: list[AnsweredQuestion] = []
    failed = 0
    for one, (_, replies) in zip(
        task.captions, ask_judge(options, reporter, task.run), strict=True
    ):
        if None in replies:
            failed += 1  # the reader's fault, and none of the caption's
            continue
        read = [read_answers(str(reply), one.questions, seed=task.seed) for reply in replies]
        for number, question in enumerate(one.questions):
            answered.append(AnsweredQuestion(question, tuple(found[number] for found in read)))
    result = AskResult(
        dataset=options.dataset,
        questions=options.questions,
        joined_by=task.joined_by,
        unasked=task.unasked,
        failed=failed,
        reader=task.reader,
        model=judge_model(options),
        repeats=options.repeats,
        seed=options.seed,
        scoring=tuple(sorted({q.scoring for one in task.captions for q in one.questions})),
        summary=summarize_answers(answered, seed=options.seed),
        answered=answered,
        folder=task.folder,
    )
    _write(result)
    return result


def estimate_questions(options: AskOptions, reporter: Reporter = SILENT) -> EstimateResult | None:
    """What the test would ask and cost; None where there is nothing to ask.

    Raises:
        UsageError: As `ask`.
    """
    return estimate_judge(options, reporter, _task(options, reporter).run)


def _task(options: AskOptions, reporter: Reporter) -> _Task:
    joined = join_questions(
        options.dataset,
        options.questions,
        output_key=options.output_key,
        image_key=options.image_key,
        column=options.join,
        scoring=options.scoring,
    )
    for what, count in joined.unasked.items():
        if count:
            reporter.say(f"{count:,} {what}; they are left out", is_warning=True)
    captions = joined.captions
    if options.sample is not None and options.sample < len(captions):
        captions = random.Random(options.seed).sample(captions, options.sample)
    most = max(len(shown_choices(question)) for one in captions for question in one.questions)
    schema = answer_schema(min(most, len(LETTERS)))
    question = ask_text("{caption}", [])
    reader = judge_of(options, f"{question} {options.scoring or ''} {options.seed}", schema)
    return _Task(
        captions, joined.by, joined.unasked, schema, reader, Path(options.output) / reader,
        options.seed, options.repeats,
    )  # fmt: skip


def _write(result: AskResult) -> None:
    write_result(result.folder, ask_value(result), ask_document(result))
    write_rows(result.folder / "answers.jsonl", answer_values(result))
