"""`dataflow card`: the dataset card and the Croissant metadata of an output."""

from __future__ import annotations

from dataflow.app.options.commands.card import CardOptions
from dataflow.cli.shell.console import say

EXAMPLES = (
    "dataflow card captions.jsonl",
    "dataflow card captions.jsonl --license cc-by-4.0 --language en --creator Ada",
)


def card(options: CardOptions) -> None:
    """Write the dataset card of OUTPUT and its Croissant metadata.

    README.md is what the Hugging Face Hub shows: how the captions were made, counts, checks and
    what people decided. What only you can know, it asks you for.
    """
    from dataflow.app.card.write import write_card

    found = write_card(options)
    say(f"The card is {found.card}")
    if found.croissant is not None:
        say(f"The Croissant metadata is {found.croissant}")
    for question in found.questions:
        say(f"To answer before you publish: {question}")
