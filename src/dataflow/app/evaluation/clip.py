"""CLIPScore and RefCLIPScore by an embeddings API: ordinary runs, with a journal and resume."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.app.caption import caption
from dataflow.app.evaluation.output.files import write_rows
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.evaluation.score import ScoreOptions
from dataflow.app.reporter import Reporter
from dataflow.checks.encoder_tokens import ENCODERS, counter_of
from dataflow.core.errors import UsageError
from dataflow.evaluate.clip_scores import clip_score, cosine, ref_clip_score
from dataflow.evaluate.statistics import IntervalEstimate, bootstrap_ratio

VECTOR = "vector"


@dataclass(frozen=True, slots=True)
class ClipRow:
    """What is scored.

    Attributes:
        picture: The picture's path or URL.
        caption: The caption.
        references: Captions that people wrote; may be empty.
    """

    picture: str
    caption: str
    references: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ClipScores:
    """Scores by a model of pictures and texts.

    Attributes:
        model: The model.
        captions: Captions with a score.
        failed: Captions without one, because a vector could not be had.
        clip_score: The mean CLIPScore, with a bootstrap interval over captions.
        ref_clip_score: The mean RefCLIPScore; None without references.
        cut: The share of captions that are longer than the text encoder reads.
        limit: So many tokens it reads.
        is_exact: Whether its own tokenizer counted them.
    """

    model: str
    captions: int
    failed: int
    clip_score: IntervalEstimate | None
    ref_clip_score: IntervalEstimate | None
    cut: float
    limit: int
    is_exact: bool


def clip_scores(options: ScoreOptions, rows: Sequence[ClipRow], reporter: Reporter) -> ClipScores:
    """Score captions by the cosine of their vectors with those of their pictures.

    Args:
        options: Which model, behind which API.
        rows: What is scored.
        reporter: Who shows the runs.

    Raises:
        UsageError: No API is named.
        StopRunError: A run stopped; the vectors so far are kept.
    """
    if options.clip is None or options.clip_url is None:
        raise UsageError("--clip names a model behind an embeddings API: give --clip-url too")
    pictures = _vectors(options, "pictures", (row.picture for row in rows), reporter)
    said = (text for row in rows for text in (row.caption, *row.references))
    texts = _vectors(options, "texts", said, reporter)
    alone, with_references = [], []
    for row in rows:
        picture, text = pictures.get(row.picture), texts.get(row.caption)
        if picture is None or text is None:
            continue
        similarity = cosine(picture, text)
        alone.append((clip_score(similarity), 1.0))
        known = [cosine(text, one) for ref in row.references if (one := texts.get(ref))]
        if known:
            with_references.append((ref_clip_score(similarity, known), 1.0))
    counter, limit = counter_of(options.encoder), ENCODERS[options.encoder]
    cut = sum(counter.count(row.caption) > limit for row in rows)
    return ClipScores(
        model=options.clip,
        captions=len(alone),
        failed=len(rows) - len(alone),
        clip_score=bootstrap_ratio(alone, seed=options.seed),
        ref_clip_score=bootstrap_ratio(with_references, seed=options.seed),
        cut=cut / len(rows) if rows else 0.0,
        limit=limit,
        is_exact=counter.is_exact,
    )


def _vectors(
    options: ScoreOptions, what: str, items: Iterator[str], reporter: Reporter
) -> Mapping[str, list[float]]:
    """Each different item → its vector; without those that have none."""
    from dataflow.serving.embeddings import EmbeddingServing

    folder, is_text = Path(options.output), what == "texts"
    column = "text" if is_text else "image"
    distinct = [one for one in dict.fromkeys(items) if one.strip()]
    source, output = folder / f"{what}.jsonl", folder / f"{what}.vectors.jsonl"
    if not write_rows(source, ({column: one} for one in distinct)):
        return {}
    chosen = CaptionOptions(
        source=str(source), output=str(output), output_key=VECTOR, model=options.clip,
        api_url=[options.clip_url or ""], no_checks=True, fault_alarm="off", yes=True,
        prompt_template="{text}" if is_text else None,
        prompt=None if is_text else "vector",
    )  # fmt: skip
    serving = EmbeddingServing(
        options.clip_url or "", options.clip_key_env, options.clip or "", form=options.clip_form
    )
    caption(chosen, reporter, serving=serving, is_text=is_text)
    found: dict[str, list[float]] = {}
    with output.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row[VECTOR]:
                found[row[column]] = json.loads(row[VECTOR])
    return found
