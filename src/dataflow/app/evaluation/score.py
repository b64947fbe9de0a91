"""Score captions against captions that people wrote, and against what the pictures hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.app.evaluation.clip import ClipRow, ClipScores, clip_scores
from dataflow.app.evaluation.opening import PictureFiles, open_evaluated
from dataflow.app.options.evaluation.score import ScoreOptions
from dataflow.app.reporter import SILENT, Reporter
from dataflow.core.errors import UsageError
from dataflow.core.raw_json import parse_json
from dataflow.core.row import Row
from dataflow.evaluate.objects import ObjectNames, ObjectSummary, summarize_objects
from dataflow.evaluate.reference_scores import LONG_CAPTION, bleu, cider_d, rouge_l, tokens_of
from dataflow.evaluate.statistics import IntervalEstimate, bootstrap_ratio, interval_value
from dataflow.formats.existing_captions import CaptionedDataset, open_captions


@dataclass(frozen=True, slots=True)
class ReferenceScores:
    """How like captions are to those that people wrote.

    Attributes:
        captions: How many had references.
        unmatched: How many had none and are left out.
        bleu: BLEU-1 to BLEU-4 of the set, 0 to 1.
        rouge_l: The mean, 0 to 1, with a bootstrap interval over captions.
        cider_d: The mean, 0 to 10, likewise.
        words: The mean length of the captions.
    """

    captions: int
    unmatched: int
    bleu: tuple[float, ...]
    rouge_l: IntervalEstimate
    cider_d: IntervalEstimate
    words: float

    @property
    def is_long(self) -> bool:
        """Whether the captions are longer than these scores were made for."""
        return self.words > LONG_CAPTION


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """What `score` found.

    Attributes:
        references: Scores against references; None where none were named.
        objects: Objects named and invented; None where no column was named.
        clip: Scores by a model of pictures and texts; None where none was named.
    """

    references: ReferenceScores | None
    objects: ObjectSummary | None
    clip: ClipScores | None = None


def score(options: ScoreOptions, reporter: Reporter = SILENT) -> ScoreResult:
    """Score the captions of a dataset.

    Args:
        options: Which captions, and what they are held against.
        reporter: Who shows the run that has vectors made.

    Raises:
        UsageError: Nothing to hold them against is named, or no row has it.
        InputError: A dataset cannot be read.
    """
    if options.references is None and options.objects is None and options.clip is None:
        raise UsageError("score needs --references, --objects or --clip")
    found = None if options.references is None else _references(options, options.references)
    objects = None if options.objects is None else _objects(options, options.objects)
    clip = None
    if options.clip is not None:
        clip = clip_scores(options, _clip_rows(options), reporter)
    return ScoreResult(found, objects, clip)


def _clip_rows(options: ScoreOptions) -> list[ClipRow]:
    """Pictures with their captions and, where they are named, the captions that people wrote."""
    opened = open_evaluated(
        options.dataset, output_key=options.output_key, image_key=options.image_key
    )
    column, others = options.references, None
    if column is not None and _is_dataset(column):
        others = _references_by_picture(options, column)
    pictures = PictureFiles(Path(options.output) / "pictures")
    found = []
    for row in opened.data.reader.rows():
        refs, text = opened.references(row), opened.caption(row)
        if len(refs) != 1 or not text.strip():
            continue
        written: list[str] = []
        if others is not None:
            written = others.get(_picture(row, opened.picture_key), [])
        elif column is not None:
            written = _texts(row.fields.get(column))
        found.append(ClipRow(pictures.named(refs[0]), text, written))
    if not found:
        raise UsageError(f"no row of {options.dataset} has one picture and a caption")
    return found


def score_value(result: ScoreResult) -> dict[str, Any]:
    """The result as JSON values."""
    value: dict[str, Any] = {}
    if result.references is not None:
        found = result.references
        value["references"] = {
            "captions": found.captions,
            "unmatched": found.unmatched,
            **{f"bleu_{order}": one for order, one in enumerate(found.bleu, 1)},
            "rouge_l": interval_value(found.rouge_l),
            "cider_d": interval_value(found.cider_d),
            "mean_words": found.words,
        }
    if result.clip is not None:
        found_clip = result.clip
        value["clip"] = {
            "model": found_clip.model,
            "captions": found_clip.captions,
            "failed": found_clip.failed,
            "clip_score": interval_value(found_clip.clip_score),
            "ref_clip_score": interval_value(found_clip.ref_clip_score),
            "cut_off": found_clip.cut,
            "limit": found_clip.limit,
            "limit_is_exact": found_clip.is_exact,
        }
    if result.objects is not None:
        value["objects"] = {
            "chair_i": interval_value(result.objects.chair_i),
            "chair_s": interval_value(result.objects.chair_s),
            "recall": interval_value(result.objects.recall),
            "invented": result.objects.invented,
        }
    return value


def _references(options: ScoreOptions, references: str) -> ReferenceScores:
    data = _opened(options)
    column = data.columns[0]
    others = _references_by_picture(options, references) if _is_dataset(references) else None
    captions: list[list[str]] = []
    against: list[list[list[str]]] = []
    unmatched = 0
    _widen(data, references if others is None else None)
    for row in data.reader.rows():
        texts = (
            _texts(row.fields.get(references))
            if others is None
            else others.get(_picture(row, options.image_key), [])
        )
        if not texts:
            unmatched += 1
            continue
        captions.append(tokens_of(data.of(row, column)[0].text))
        against.append([tokens_of(text) for text in texts])
    if not captions:
        raise UsageError(
            f"no caption of {options.dataset} has a reference in {references}; name a column with "
            "texts, or a dataset with captions of the same pictures"
        )
    return ReferenceScores(
        captions=len(captions),
        unmatched=unmatched,
        bleu=tuple(bleu(captions, against)),
        rouge_l=_mean(rouge_l(captions, against), options.seed),
        cider_d=_mean(cider_d(captions, against), options.seed),
        words=sum(map(len, captions)) / len(captions),
    )


def _mean(scores: Sequence[float], seed: int) -> IntervalEstimate:
    estimate = bootstrap_ratio(((one, 1.0) for one in scores), seed=seed)
    assert estimate is not None  # noqa: S101 - there is at least one score
    return estimate


def _objects(options: ScoreOptions, column: str) -> ObjectSummary:
    data = _opened(options)
    _widen(data, column)
    rows = [
        (data.of(row, data.columns[0])[0].text, _texts(row.fields.get(column)))
        for row in data.reader.rows()
    ]
    if not any(there for _, there in rows):
        raise UsageError(f"no row of {options.dataset} lists objects in {column!r}")
    names = _synonyms(options.synonyms)
    for _, there in rows:
        for name in there:
            names.setdefault(name, [])
    return summarize_objects(rows, ObjectNames(names), seed=options.seed)


def _synonyms(path: str | None) -> dict[str, list[str]]:
    if path is None:
        return {}
    try:
        found = parse_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--synonyms {path}: {error}") from error
    is_right = isinstance(found, dict) and all(
        isinstance(words, list) and all(isinstance(word, str) for word in words)
        for words in found.values()
    )
    if not is_right:
        raise UsageError(f'--synonyms {path}: expected {{"object": ["other word", …], …}}')
    return dict(found)


def _opened(options: ScoreOptions) -> CaptionedDataset:
    columns = () if options.output_key is None else (options.output_key,)
    return open_captions(
        options.dataset, columns=columns, picture_key=options.image_key, has_files=True
    )


def _widen(data: CaptionedDataset, column: str | None) -> None:
    """Let `column` be read as well, where a format reads only what it is asked for."""
    for one in getattr(data.reader, "files", [data.reader]):
        if column is not None and getattr(one, "columns", None) is not None:
            one.columns = (*one.columns, column)


def _is_dataset(name: str) -> bool:
    return Path(name).exists() or "://" in name


def _references_by_picture(options: ScoreOptions, path: str) -> Mapping[str, list[str]]:
    """Picture's file name → the captions that people wrote of it."""
    data = open_captions(path, picture_key=options.image_key, has_files=True)
    found: dict[str, list[str]] = {}
    for row in data.reader.rows():
        texts = [one.text for name in data.columns for one in data.of(row, name) if one.text]
        found.setdefault(_picture(row, options.image_key), []).extend(texts)
    return found


def _picture(row: Row, key: str) -> str:
    value = row.fields.get(key)
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, Mapping):
        value = value.get("path") or value.get("url")
    return Path(value).name if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    """The texts of a column: one, a list, or a list as JSON text."""
    if isinstance(value, str):
        if value[:1] == "[":
            try:
                value = parse_json(value)
            except ValueError:
                return [value]
        else:
            return [value] if value.strip() else []
    if isinstance(value, list):
        return [one for one in value if isinstance(one, str) and one.strip()]
    return []
