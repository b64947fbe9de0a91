"""A judge's answers about the rows of a table: an ordinary run, with journal, budget and resume."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dataflow.app.caption import caption
from dataflow.app.estimate import EstimateResult, estimate
from dataflow.app.evaluation.output.files import write_file, write_rows
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.estimate import EstimateOptions
from dataflow.app.options.evaluation.judge import JudgeRunOptions
from dataflow.app.options.option import names_of
from dataflow.app.reporter import Reporter
from dataflow.evaluate.judge import judge_digest

ANSWER = "answer"
"""The column with the judge's answer."""

_OWN = frozenset({"output", "output_key", "image_key", "seed", "sample", "json", "estimate"})
"""Options of the command itself, which say nothing about how the judge is asked."""

_WHO = ("temperature", "max_tokens", "body", "detail", "schema_as", "max_side")
"""Options that determine a judge's answers beside its model and its question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRun:
    """What a judge is asked.

    Attributes:
        folder: Where rows, answers and the journal are.
        rows: What it is asked about; the picture of a row is in ``image``.
        prompt: The question as a template: ``{column}`` stands for a field of the row.
        schema: The JSON Schema of its answers.
        repeats: How often it answers each row.
        is_text: Whether it sees no picture.
    """

    folder: Path
    rows: Iterable[Mapping[str, Any]]
    prompt: str
    schema: Mapping[str, Any]
    repeats: int = 1
    is_text: bool = False


def judge_model(options: JudgeRunOptions) -> str:
    """The judge's model, as the options name it."""
    if options.vllm or options.model:
        return options.vllm or options.model or ""
    from dataflow.serving.llamacpp.serving import DEFAULT_MODEL

    return DEFAULT_MODEL


def judge_of(options: JudgeRunOptions, prompt: str, schema: Mapping[str, Any]) -> str:
    """The digest of judge and question, under which answers and result are kept."""
    given = {name: getattr(options, name) for name in _WHO}
    default = {field.name: field.default for field in fields(JudgeRunOptions)}
    settings = {name: value for name, value in given.items() if value != default[name]}
    return judge_digest(judge_model(options), prompt, schema=schema, settings=settings)


def ask_judge(
    options: JudgeRunOptions, reporter: Reporter, run: JudgeRun
) -> Iterator[tuple[dict[str, Any], list[str | None]]]:
    """Each row with the judge's answers as JSON texts; None for one that failed.

    Raises:
        UsageError: The options contradict each other.
        StopRunError: The run stopped; what is answered is kept.
    """
    made = _options_of(options, run)
    if made is None:
        return
    caption(CaptionOptions(**made), reporter, is_text=run.is_text)
    with open(made["output"], encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            answers = row.pop(ANSWER, None)
            listed = answers if run.repeats > 1 and isinstance(answers, list) else [answers]
            texts = [None if one is None else _text(one) for one in listed]
            yield row, [*texts, *[None] * (run.repeats - len(texts))]


def estimate_judge(
    options: JudgeRunOptions, reporter: Reporter, run: JudgeRun
) -> EstimateResult | None:
    """What the run would ask and cost; None where there is nothing to ask.

    Raises:
        UsageError: The options contradict each other.
    """
    made = _options_of(options, run)
    if made is None:
        return None
    return estimate(EstimateOptions(**made), reporter, is_text=run.is_text)


def _options_of(options: JudgeRunOptions, run: JudgeRun) -> dict[str, Any] | None:
    """The options of the run; None where there is nothing to ask."""
    schema = run.folder / "schema.json"
    source = run.folder / "asked.jsonl"
    if not write_rows(source, run.rows):
        return None
    write_file(schema, json.dumps(run.schema, sort_keys=True))
    shared = names_of(JudgeRunOptions) & names_of(CaptionOptions) - _OWN
    return {
        **{name: getattr(options, name) for name in shared},
        "source": str(source),
        "output": str(run.folder / "judged.jsonl"),
        "output_key": ANSWER,
        "prompt_template": run.prompt,
        "schema": str(schema),
        "n": run.repeats,
        "no_check": ["repeated"],
        # the folder belongs to this judge and question: what is new are rows
        "yes": True,
    }


def _text(answer: Any) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
