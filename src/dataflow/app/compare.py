"""Compare captions of the same pictures: a judge sees each pair in both orders.

The judge's pass is an ordinary run over a dataset of pairs: it has a journal, resumes, heeds
budgets and may go through a Batch API.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.app.caption import caption
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.compare import CompareOptions
from dataflow.app.options.option import option_fields
from dataflow.app.reporter import SILENT, Reporter
from dataflow.core.errors import InputError, UsageError
from dataflow.core.row import Row
from dataflow.core.side_files import open_new
from dataflow.evaluate.bradley_terry import DisconnectedError, Wins, rating_intervals
from dataflow.evaluate.judge import PROMPT, SCHEMA, judge_digest, read_choice
from dataflow.evaluate.pairs import (
    Choice,
    JudgedPair,
    PairResult,
    PairSummary,
    judged,
    needs_judge,
    summarize,
)
from dataflow.evaluate.statistics import IntervalEstimate, interval_value
from dataflow.formats.existing_captions import CaptionedDataset, open_captions

JUDGEMENT = "judgement"
_MOST_MISSING = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison found.

    Attributes:
        names: The datasets, as they were given.
        pictures: Pictures that all of them have.
        missing: Dataset → pictures that another has and it lacks.
        judge: What tells this judge and its question from others.
        model: The judge's model.
        summaries: Two datasets → what all their pairs say.
        ratings: Dataset → Bradley-Terry rating; empty where only two are compared or none fits.
        folder: Where answers and result are.
    """

    names: tuple[str, ...]
    pictures: int
    missing: Mapping[str, int]
    judge: str
    model: str
    summaries: Mapping[tuple[str, str], PairSummary]
    ratings: Mapping[str, IntervalEstimate]
    folder: Path


@dataclass(frozen=True, slots=True)
class _Joined:
    picture: str
    texts: tuple[str, ...]
    facet: str


def compare(options: CompareOptions, reporter: Reporter = SILENT) -> Comparison:
    """Compare the captions of two or more datasets.

    Args:
        options: What is compared, and by which judge.
        reporter: Who shows the run.

    Raises:
        UsageError: There are fewer than two datasets, no picture is in all of them, or the judge's
            question lacks a caption.
        StopRunError: The run stopped; what is answered is kept.
    """
    names = tuple(options.datasets)
    if len(names) < 2 or len(set(names)) < len(names):
        raise UsageError("compare needs two or more different datasets")
    prompt = _prompt(options.judge_prompt)
    joined, missing = _join(options, names)
    for name, count in missing.items():
        if count:
            reporter.say(f"{name} lacks {count:,} pictures that the others have; they are left out")
    if options.sample is not None and options.sample < len(joined):
        joined = random.Random(options.seed).sample(joined, options.sample)
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    digest = judge_digest(options.model or "", prompt)
    answers = _asked(options, reporter, folder / digest, names, joined, prompt)
    pairs = _pairs(names, joined, answers)
    result = Comparison(
        names=names,
        pictures=len(joined),
        missing=missing,
        judge=digest,
        model=options.model or "",
        summaries={key: summarize(found, seed=options.seed) for key, found in pairs.items()},
        ratings=_ratings(names, pairs, options.seed),
        folder=folder / digest,
    )
    text = json.dumps(comparison_value(result), ensure_ascii=False, indent=2)
    _write(folder / digest / "result.json", text + "\n")
    return result


def _write(path: Path, text: str) -> None:
    with open_new(path) as file:
        file.write(text)


def comparison_value(result: Comparison) -> dict[str, Any]:
    """The comparison as JSON values."""
    return {
        "datasets": list(result.names),
        "pictures": result.pictures,
        "missing": dict(result.missing),
        "judge": {"model": result.model, "digest": result.judge},
        "pairs": [
            {"a": one, "b": other, **summary_value(summary)}
            for (one, other), summary in result.summaries.items()
        ],
        "ratings": {name: interval_value(found) for name, found in result.ratings.items()},
    }


def summary_value(summary: PairSummary) -> dict[str, Any]:
    """What all pairs of two datasets say, as JSON values."""
    return {
        **{outcome.value: count for outcome, count in summary.counts.items()},
        "win_rate": interval_value(summary.win_rate),
        "score": interval_value(summary.score),
        "p_value": summary.p_value,
        "flip_rate": summary.flip_rate,
        "first_rate": summary.first_rate,
        "longer_rate": summary.longer_rate,
        "pairs_to_decide": summary.wanted,
        "facets": {name: summary_value(found) for name, found in summary.facets.items()},
    }


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


def _join(options: CompareOptions, names: Sequence[str]) -> tuple[list[_Joined], dict[str, int]]:
    """The captions of each picture that all datasets have, and how many each lacks."""
    tables = [_captions(options, name, facet=options.facet if n == 0 else None)
              for n, name in enumerate(names)]  # fmt: skip
    everywhere = set.intersection(*(set(table) for table in tables))
    anywhere = set.union(*(set(table) for table in tables))
    if not everywhere:
        examples = [next(iter(table), "(no picture)") for table in tables]
        raise UsageError(
            "no picture is in all datasets; they are joined by the pictures' files: "
            + ", ".join(examples[:_MOST_MISSING])
        )
    joined = [
        _Joined(picture, tuple(table[picture][0] for table in tables), facet)
        for picture, (_, facet) in tables[0].items()
        if picture in everywhere
    ]
    return joined, {
        name: len(anywhere) - len(table) for name, table in zip(names, tables, strict=True)
    }


def _captions(
    options: CompareOptions, path: str, *, facet: str | None
) -> dict[str, tuple[str, str]]:
    """Picture → caption and facet of one dataset."""
    columns = () if options.output_key is None else (options.output_key,)
    data = open_captions(path, columns=columns, picture_key=options.image_key, has_files=True)
    if facet is not None:
        for one in getattr(data.reader, "files", [data.reader]):
            if getattr(one, "columns", None) is not None:
                one.columns = (*one.columns, facet)
    found: dict[str, tuple[str, str]] = {}
    for row in data.reader.rows():
        picture = _picture(data, row, options.image_key)
        if picture is None:
            raise InputError(
                f"{path}: a row names no picture; captions are joined by their pictures' files",
                source=row.source,
            )
        [first, *_] = data.of(row, data.columns[0])
        value = "" if facet is None else str(row.fields.get(facet, ""))
        found[picture] = (first.text, value)
    return found


def _picture(data: CaptionedDataset, row: Row, key: str) -> str | None:
    """The picture by which a row is joined: its file's true path, or its URL."""
    value = row.fields.get(key)
    if isinstance(value, list) and len(value) == 1:
        [value] = value
    if isinstance(value, Mapping):
        value = value.get("path") or value.get("url")
    if not isinstance(value, str) or not value:
        return None
    if "://" in value:
        return value
    beside = Path(data.reader.folder(), value)
    return os.path.realpath(beside if beside.exists() else value)


def _asked(
    options: CompareOptions,
    reporter: Reporter,
    folder: Path,
    names: Sequence[str],
    joined: Sequence[_Joined],
    prompt: str,
) -> dict[tuple[str, int, int], Choice | None]:
    """Picture, first dataset, second dataset → what the judge chose of the two in that order."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(_questions(names, joined))
    if not rows:
        return {}
    source, schema, output = (folder / n for n in ("pairs.jsonl", "schema.json", "judged.jsonl"))
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if not source.exists() or source.read_text(encoding="utf-8") != lines:
        _write(source, lines)
    _write(schema, json.dumps(SCHEMA))
    shared = {known.name for known in option_fields(CaptionOptions)}
    given = {
        known.name: getattr(options, known.name)
        for known in option_fields(CompareOptions)
        if known.name in shared and known.name not in ("output", "output_key", "image_key")
    }
    caption(
        CaptionOptions(
            **given,
            source=str(source),
            output=str(output),
            output_key=JUDGEMENT,
            prompt_template=prompt,
            schema=str(schema),
            max_duplicates=None,
            no_check=["repeated"],
        ),
        reporter,
    )
    choices: dict[tuple[str, int, int], Choice | None] = {}
    with output.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            answer = row.get(JUDGEMENT)
            text = answer if isinstance(answer, str) else json.dumps(answer)
            choices[row["image"], row["a"], row["b"]] = read_choice(text)[0]
    return choices


def _questions(names: Sequence[str], joined: Sequence[_Joined]) -> Iterator[dict[str, Any]]:
    """The pairs that the judge sees, each in both orders."""
    for one in joined:
        for a, b in itertools.permutations(range(len(names)), 2):
            if needs_judge((one.texts[a] or None, one.texts[b] or None)):
                yield {
                    "image": one.picture,
                    "a": a,
                    "b": b,
                    "first": one.texts[a],
                    "second": one.texts[b],
                }


def _pairs(
    names: Sequence[str],
    joined: Sequence[_Joined],
    answers: Mapping[tuple[str, int, int], Choice | None],
) -> dict[tuple[str, str], list[JudgedPair]]:
    return {
        (names[a], names[b]): [
            judged(
                one.picture,
                (one.texts[a] or None, one.texts[b] or None),
                (answers.get((one.picture, a, b)), answers.get((one.picture, b, a))),
                facet=one.facet,
            )
            for one in joined
        ]
        for a, b in itertools.combinations(range(len(names)), 2)
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
