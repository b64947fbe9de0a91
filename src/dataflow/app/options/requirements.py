"""Options: what captions must be. `dataflow caption` and `dataflow check` share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from dataflow.app.options.option import Option, Options


@dataclass(frozen=True, kw_only=True)
class RequirementOptions(Options):
    """What captions must be."""

    GROUP: ClassVar[str] = "Caption requirements"

    language: Annotated[
        str | None,
        Option("The language of the captions: en, zh and so on (ISO 639-1).", metavar="CODE"),
    ] = None
    sentences: Annotated[bool, Option("Each caption must end like a sentence.")] = False
    markdown: Annotated[
        bool | None,
        Option(
            "Whether captions may contain Markdown and HTML.",
            negatable=True,
            default="allowed by dataflow caption, a fault for dataflow check",
        ),
    ] = None
    min_words: Annotated[
        int | None,
        Option("The fewest words; a Han or kana character counts as one.", metavar="N", least=0),
    ] = None
    max_words: Annotated[int | None, Option("The most words.", metavar="N", least=0)] = None
    min_sentences: Annotated[int | None, Option("The fewest sentences.", metavar="N", least=0)] = (
        None
    )
    max_sentences: Annotated[int | None, Option("The most sentences.", metavar="N", least=0)] = None
    min_characters: Annotated[
        int | None, Option("The fewest characters.", metavar="N", least=0)
    ] = None
    max_characters: Annotated[int | None, Option("The most characters.", metavar="N", least=0)] = (
        None
    )
    max_encoder_tokens: Annotated[
        list[str] | None,
        Option(
            "The most tokens of a text encoder: clip:75, t5:255 or siglip:63. Counted exactly "
            "where its vocabulary is on this machine, else estimated.",
            metavar="ENCODER:N",
        ),
    ] = None
    forbid: Annotated[
        list[str] | None, Option("Words that no caption may contain.", metavar="WORDS")
    ] = None
    require: Annotated[
        list[str] | None, Option("Words that every caption must contain.", metavar="WORDS")
    ] = None
    forbid_pattern: Annotated[
        list[str] | None,
        Option("A regular expression that no caption may match.", metavar="REGEX"),
    ] = None
    require_pattern: Annotated[
        list[str] | None,
        Option("A regular expression that every caption must match.", metavar="REGEX"),
    ] = None
    max_duplicates: Annotated[
        int | None,
        Option(
            "The most pictures that may have the same caption.",
            hidden=("--most-alike",),
            metavar="N",
            least=1,
            default="any number for dataflow caption, 3 for dataflow check",
        ),
    ] = None
    check: Annotated[
        list[str] | None,
        Option(
            "A fault kind of your own, from a file that dataflow check --learn has written.",
            metavar="FILE",
        ),
    ] = None
    no_check: Annotated[
        list[str] | None,
        Option(
            "Switch one check off: refusal, error_text, loop, echo, markup, cut_off and so on.",
            metavar="KIND",
        ),
    ] = None
