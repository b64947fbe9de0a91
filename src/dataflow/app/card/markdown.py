"""The dataset card as Markdown, with the metadata block that the Hugging Face Hub reads.

Source of the fields and their words:
https://github.com/huggingface/hub-docs/blob/main/datasetcard.md
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dataflow.app.card.facts import Facts, as_json
from dataflow.app.options.commands.card import CardOptions
from dataflow.core.text import short_text

MARK = "<!-- written by dataflow card -->"
"""By which a card of ours is known, which may be replaced."""

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
    (10_000_000_000, "1B<n<10B"),
    (100_000_000_000, "10B<n<100B"),
    (1_000_000_000_000, "100B<n<1T"),
)
_HUB_READS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow")


def questions_of(options: CardOptions) -> list[str]:
    """What only the person who publishes can say, and has not said."""
    asked = {
        "Under which licence are the captions published? (--license)": options.license,
        "Where do the pictures come from? (--source)": options.source,
        "Which licence or which terms do the pictures have, and do they allow this? "
        "(--source-license)": options.source_license,
        "Do the terms of the model or of its provider allow you to publish its answers, and "
        "others to train on them? (--license)": options.license,
        "In which language are the captions? (--language)": options.language,
        "Who publishes the dataset? (--creator)": options.creator,
    }
    return [question for question, answer in asked.items() if not answer]


def card(facts: Facts, options: CardOptions) -> str:
    """The card of an output."""
    parts = [_front_matter(facts, options), MARK, f"# {_plain(name_of(facts, options))}"]
    parts.append(
        f"{facts.rows:,} rows. The captions were made by a machine with "
        f"[dataflow](https://github.com/dataflow-caption/dataflow) {facts.record['dataflow']}."
    )
    parts += _open_questions(options)
    parts += ["## Sources", _sources(facts, options)]
    parts += ["## How the captions were made", *_making(facts)]
    parts += ["## Counts", _counts(facts)]
    parts += ["## Checks", _checks(facts)]
    parts += ["## Review by people", _review(facts)]
    parts += ["## Limits", _LIMITS]
    return "\n\n".join(parts) + "\n"


def name_of(facts: Facts, options: CardOptions) -> str:
    """The dataset's name."""
    return options.name or facts.path.name.partition(".")[0] or facts.path.name


def _front_matter(facts: Facts, options: CardOptions) -> str:
    size = next((word for most, word in SIZES if facts.rows < most), "n>1T")
    kinds = ["machine-generated", *(["expert-generated"] if facts.decisions["edit"] else [])]
    fields: dict[str, Any] = {
        "pretty_name": name_of(facts, options),
        "license": options.license,
        "language": options.language,
        "task_categories": ["image-to-text"],
        "annotations_creators": kinds,
        "size_categories": [size],
        "tags": ["image-captioning", "synthetic", "croissant"],
    }
    lines = [f"{name}: {as_json(value)}" for name, value in fields.items() if value]
    if facts.path.is_file() and facts.path.name.endswith(_HUB_READS):
        path = as_json(facts.path.name)
        lines += ["configs:", "- config_name: default", "  data_files:"]
        lines += ["  - split: train", f"    path: {path}"]
    return "\n".join(["---", *lines, "---"])


def _open_questions(options: CardOptions) -> list[str]:
    if not (questions := questions_of(options)):
        return []
    return ["## To answer before you publish", _listed(f"[ ] {one}" for one in questions)]


def _sources(facts: Facts, options: CardOptions) -> str:
    lines = [f"Pictures: {_plain(source)}" for source in options.source or ()]
    if options.source_license:
        lines.append(f"Licence or terms of the pictures: {_plain(options.source_license)}")
    if options.license:
        lines.append(f"Licence of the captions: {_plain(options.license)}")
    for one in facts.record.get("input", ()):
        size = f", {one['bytes']:,} bytes" if "bytes" in one else ""
        digest = f", SHA-256 `{one['sha256']}`" if "sha256" in one else ""
        lines.append(f"Input of the run: {_code(one['name'])}{size}{digest}")
    return _listed(lines)


def _making(facts: Facts) -> Iterator[str]:
    record = facts.record
    lines = [
        f"Model: {_code(name)}, {one['captions']:,} captions"
        for name, one in zip(facts.models, record["models"], strict=True)
    ]
    lines += [
        f"{name}: {_code(value)}"
        for name, value in record["settings"].items()
        if not name.startswith("question for ") and name != "model"
    ]
    lines += [f"Preset of {_code(k)}: {_code(_words(v))}" for k, v in record["presets"].items()]
    if record.get("started"):
        lines.append(f"Latest run: {record['started']} to {record['ended']}")
    latest = record.get("latest run", {})
    if latest.get("cost") is not None:
        lines.append(f"Cost of the latest run: ${latest['cost']:,.2f}")
    yield _listed(lines)
    for column, prompt in record["prompts"].items():
        if prompt["text"]:
            yield f"The prompt of {_code(column)} (SHA-256 `{prompt['digest']}`):"
            yield _fenced(prompt["text"])
        else:
            yield f"{_code(column)}: no prompt but the picture, or each row's own question."


def _counts(facts: Facts) -> str:
    counts = facts.record["counts"]
    lines = [f"rows: {counts['rows']:,}", f"captions: {counts['captioned']:,}"]
    lines += [f"flagged, {kind}: {n:,}" for kind, n in counts["flagged"].items()]
    lines += [f"without a caption, {kind}: {n:,}" for kind, n in counts["failed"].items()]
    lines += [f"{word}: {counts[word]:,}" for word in ("dropped", "skipped") if counts[word]]
    return _listed(lines)


def _checks(facts: Facts) -> str:
    if not (checks := facts.record["checks"]):
        return "The captions were not checked by rules."
    names = ", ".join(map(_code, checks))
    return f"Each caption passed these checks, or is counted as flagged above: {names}."


def _review(facts: Facts) -> str:
    share = facts.accepted_share
    if share is None:
        return "No person has looked at the captions."
    kinds = ("accepted as they are", "accept"), ("edited", "edit"), ("rejected", "reject")
    lines = [f"{words}: {facts.decisions[kind]:,}" for words, kind in kinds]
    return (
        f"People decided on {facts.reviewed:,} captions:\n\n{_listed(lines)}\n\n"
        f"Right as the machine wrote them: {share.value:.1%} (95 % interval {share.low:.1%} to "
        f"{share.high:.1%}, by Wilson's method). The interval holds for the whole dataset only if "
        "the reviewed captions were drawn at random."
    )


_LIMITS = (
    "The captions are a model's. They may name what is not in a picture, leave out what is, and "
    "repeat the prejudices of what the model was trained on. The checks read the text; they do "
    "not look at the picture."
)


def _listed(lines: Iterator[str] | Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "- not known"


def _plain(text: str) -> str:
    """A text that Markdown and HTML take as the text that it is."""
    text = " ".join(text.split())
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#|!" else sign for sign in text)


def _code(text: str) -> str:
    text = short_text(text).replace("`", "'")
    return f"`{text}`"


def _words(value: object) -> str:
    return value if isinstance(value, str) else as_json(value)


def _fenced(text: str) -> str:
    longest = max((len(run) for run in _runs_of_ticks(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _runs_of_ticks(text: str) -> Iterator[str]:
    run = ""
    for sign in f"{text} ":
        if sign == "`":
            run += sign
        elif run:
            yield run
            run = ""
