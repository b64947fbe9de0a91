"""Several models or prompts on one sample: what each costs, how fast it is, and how good.

Each variant captions the sample in an ordinary run, and the judge's pass is an ordinary comparison:
all of them have journals, heed the budget, and resume.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.app.caption import caption
from dataflow.app.evaluation.compare import compare
from dataflow.app.evaluation.comparison_result import Comparison
from dataflow.app.evaluation.output.files import write_rows
from dataflow.app.evaluation.output.pages import write_result
from dataflow.app.evaluation.trial.document import trial_document
from dataflow.app.evaluation.trial.result import (
    SideBySide,
    TrialResult,
    VariantFigures,
    figures_of,
    trial_value,
)
from dataflow.app.evaluation.trial.sample import IMAGE, TrialSample, draw_sample
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.options.evaluation.compare import CompareOptions
from dataflow.app.options.evaluation.trial import TrialOptions
from dataflow.app.options.option import names_of
from dataflow.app.options.requirements import RequirementOptions
from dataflow.app.options.source import PictureOptions, SourceOptions
from dataflow.app.planning.consistency import check_consistency
from dataflow.app.planning.prompts import prompts_of
from dataflow.app.quality.check import check
from dataflow.app.reporter import SILENT, Reporter
from dataflow.core.errors import LimitReachedError, StopRunError, UsageError

CAPTION = "caption"
_OWN = frozenset(
    {"source", "output", "prompt", "preset", "api_url", "key_env", "seed", "sample", "json",
     "max_cost", "image_key"}
) | (names_of(SourceOptions) - names_of(PictureOptions))  # fmt: skip
"""Options that say something else for the run of one variant, or nothing."""

RESULT = "trial"
"""Name of the result's files."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One model with one question.

    Attributes:
        name: How it is called.
        options: What its run is asked for, beside the sample and the output.
        question: What it is asked, in words.
    """

    name: str
    options: Mapping[str, Any]
    question: str

    @property
    def stem(self) -> str:
        """A file's name for it."""
        return re.sub(r"[^\w.-]+", "-", self.name).strip("-.") or "variant"


class _Budget:
    """What is left of the trial's money."""

    def __init__(self, most: float | None) -> None:
        self.left = most

    def spend(self, cost: float) -> None:
        """Take off what a run has cost."""
        if self.left is not None:
            self.left = max(0.0, self.left - cost)


def try_models(options: TrialOptions, reporter: Reporter = SILENT) -> TrialResult:
    """Try several models or prompts on one sample.

    A variant whose run stops is reported as such, and the others go on.

    Args:
        options: What is tried on which dataset, and who judges.
        reporter: Who shows the runs.

    Raises:
        UsageError: The options are wrong, or there is no such dataset.
        LimitReachedError: The trial's money is spent; what is answered is kept.
        StopRunError: Every variant stopped.
    """
    variants = variants_of(options)
    folder = Path(options.output)
    for variant in variants:  # what is wrong with any of them is said before anything is spent
        chosen = _options_of(options, variant, folder, options.max_cost)
        check_consistency(chosen)
        prompts_of(chosen)
    sample = draw_sample(options, folder)
    budget = _Budget(options.max_cost)
    stops, speeds = _run_all(options, variants, sample, budget, reporter)
    outputs = {one.name: _output(folder, one) for one in variants}
    answered = {name: path for name, path in outputs.items() if name not in stops}
    result = TrialResult(
        source=options.source,
        rows=sample.rows,
        of=sample.of,
        seed=options.seed,
        comparison=_judged(options, list(answered.values()), budget, reporter),
        variants=[
            VariantFigures(one.name, 0, stopped=stops[one.name])
            if one.name in stops
            else _figures(options, one, outputs[one.name], sample, speeds.get(one.name))
            for one in variants
        ],
        prompts={one.name: one.question for one in variants},
        outputs=outputs,
        captions=list(_side_by_side(answered)),
        folder=folder,
    )
    _write(result, variants)
    return result


def _run_all(
    options: TrialOptions,
    variants: Sequence[Variant],
    sample: TrialSample,
    budget: _Budget,
    reporter: Reporter,
) -> tuple[dict[str, str], dict[str, float]]:
    """Run every variant; returns why some stopped, and how fast the others were."""
    stops: dict[str, str] = {}
    speeds = _former_speeds(Path(options.output))
    for variant in variants:
        reporter.say(f"{variant.name}, {sample.rows:,} rows")
        try:
            speeds |= _run(options, variant, sample, budget, reporter)
        except (UsageError, LimitReachedError):
            raise
        except StopRunError as error:
            if len(stops) == len(variants) - 1:
                raise  # nothing is left to compare
            stops[variant.name] = error.message
            reporter.say(f"{variant.name} stopped: {error.message}", is_warning=True)
    return stops, speeds


def variants_of(options: TrialOptions) -> list[Variant]:
    """Every model with every question.

    Raises:
        UsageError: Two are the same, or keys are not one for each model.
    """
    keys = options.key_env or []
    if len(keys) not in (0, 1, len(options.models)):
        raise UsageError("--key-env: give one for each MODEL, in their order, or one for all")
    questions = [
        *({"prompt": text} for text in options.prompt or ()),
        *({"preset": name} for name in options.preset or ()),
    ] or [{}]
    found = []
    for number, model in enumerate(options.models):
        key = keys[number] if len(keys) > 1 else next(iter(keys), None)
        given = model_options(model, options.api_url, key)
        shown = given.get("model") or given["vllm"]
        if sum(one.partition("@http")[0] == shown for one in options.models) > 1:
            shown = model
        for at, question in enumerate(questions, 1):
            words = next(iter(question.values()), "the default question")
            kind = f", preset {words}" if "preset" in question else f", prompt {at}"
            name = shown + (kind if len(questions) > 1 else "")
            found.append(Variant(name, {**given, **question}, words))
    if len({one.stem for one in found}) < len(found):
        raise UsageError("two of the models or prompts that are tried are the same")
    return found


def model_options(model: str, api_url: str | None, key_env: str | None) -> dict[str, Any]:
    """The options that name a model: NAME, NAME@URL or vllm:MODEL."""
    name, separator, rest = model.partition("@http")
    if separator and rest.startswith(("://", "s://")):
        api_url, model = f"http{rest}", name
    elif model.startswith("vllm:"):
        return {"vllm": model.removeprefix("vllm:")}
    if api_url is None:
        return {"model": model}
    return {
        "model": model,
        "api_url": [api_url],
        **({} if key_env is None else {"key_env": [key_env]}),
    }


def _run(
    options: TrialOptions,
    variant: Variant,
    sample: TrialSample,
    budget: _Budget,
    reporter: Reporter,
) -> dict[str, float]:
    """Caption the sample; returns the captions a second where any were asked for."""
    output = _output(Path(options.output), variant)
    output.parent.mkdir(parents=True, exist_ok=True)
    chosen = _options_of(options, variant, sample.path, budget.left)
    summary = caption(chosen, reporter).summary
    budget.spend(float(summary.cost) + float(summary.assumed_cost))
    asked = summary.captioned + sum(summary.flagged.values()) - summary.reused
    is_new = summary.requests > 0 and summary.seconds > 0 and asked > 0
    return {variant.name: asked / summary.seconds} if is_new else {}


def _options_of(
    options: TrialOptions, variant: Variant, sample: Path, max_cost: float | None
) -> CaptionOptions:
    shared = names_of(TrialOptions) & names_of(CaptionOptions) - _OWN
    given = {name: getattr(options, name) for name in shared}
    given |= variant.options
    return CaptionOptions(
        **given,
        source=str(sample),
        output=str(_output(Path(options.output), variant)),
        output_key=CAPTION,
        meta=True,
        overwrite_column=True,
        image_key=IMAGE,
        max_cost=max_cost,
    )


def _judged(
    options: TrialOptions, outputs: Sequence[Path], budget: _Budget, reporter: Reporter
) -> Comparison | None:
    if options.judge is None or len(outputs) < 2:
        return None
    key = options.judge_key_env or next(iter(options.key_env or ()), None)
    shared = names_of(TrialOptions) & names_of(CompareOptions) - _OWN - {"temperature"}
    given = {name: getattr(options, name) for name in shared}
    given |= model_options(options.judge, options.api_url, key)
    reporter.say(f"the judge {options.judge} compares the captions")
    return compare(
        CompareOptions(
            **given, datasets=list(map(str, outputs)), output=str(Path(options.output) / "judged"),
            output_key=CAPTION, image_key=IMAGE, seed=options.seed, max_cost=budget.left,
        ),
        reporter,
    )  # fmt: skip


def _figures(
    options: TrialOptions,
    variant: Variant,
    output: Path,
    sample: TrialSample,
    per_second: float | None,
) -> VariantFigures:
    wanted = {name: getattr(options, name) for name in names_of(RequirementOptions)}
    found = check(
        CheckOptions(output=str(output), output_key=[CAPTION], near=False, processes=1, **wanted)
    )
    report = found.quality.columns[CAPTION]
    rows = list(_rows(output))
    missing = sum(text is None for text, _ in rows)
    faults = {kind: one.count for kind, one in report.kinds.items()}
    if missing and "empty" in faults:  # they are failures, counted by their own kinds
        faults["empty"] -= missing
    return figures_of(
        variant.name,
        rows,
        faults={kind: count for kind, count in faults.items() if count > 0},
        faulty=report.faulty - missing,
        of=sample.of,
        per_second=per_second,
        seed=options.seed,
    )


def _rows(output: Path) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    with output.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield row[CAPTION], row.get(f"{CAPTION}_meta") or {}


def _side_by_side(outputs: Mapping[str, Path]) -> Iterator[SideBySide]:
    files = [path.read_text(encoding="utf-8").splitlines() for path in outputs.values()]
    for lines in itertools.zip_longest(*files, fillvalue="{}"):
        rows = list(map(json.loads, lines))
        picture = rows[0].get(IMAGE)
        picture = picture[0] if isinstance(picture, list) and picture else picture
        texts = {name: row.get(CAPTION) for name, row in zip(outputs, rows, strict=True)}
        yield SideBySide(str(picture or ""), texts)


def _output(folder: Path, variant: Variant) -> Path:
    return folder / "captions" / f"{variant.stem}.jsonl"


def _former_speeds(folder: Path) -> dict[str, float]:
    """What an earlier run of the trial measured, of which nothing is asked again."""
    try:
        value = json.loads((folder / f"{RESULT}.json").read_bytes())
        found = {one["name"]: one["per_second"] for one in value["variants"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {name: speed for name, speed in found.items() if isinstance(speed, (int, float))}


def _write(result: TrialResult, variants: Sequence[Variant]) -> None:
    """Write the results, and the captions side by side as a dataset for the review page."""
    stems = {one.name: one.stem for one in variants}
    write_rows(
        result.folder / "side-by-side.jsonl",
        (
            {IMAGE: one.picture, **{stems[name]: text for name, text in one.texts.items()}}
            for one in result.captions
        ),
    )
    write_result(
        result.folder, trial_value(result), trial_document(result), stem=RESULT, page="report"
    )


def review_command(result: TrialResult) -> str:
    """The command that shows the captions side by side on the review page."""
    first = next(iter(result.captions), None)
    names = () if first is None else first.texts
    stems = [Variant(name, {}, "").stem for name in names]
    columns = " ".join(f"--output-key {stem}" for stem in stems)
    return f"dataflow review {result.folder / 'side-by-side.jsonl'} {columns}"
