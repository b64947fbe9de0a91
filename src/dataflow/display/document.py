"""A result's document on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dataflow.app.evaluation.output.document import Drawing, ResultDocument


def show_document(document: ResultDocument, console: Console) -> None:
    """Print what was found; method and examples are in the files."""
    for block in document.blocks:
        if isinstance(block, str):
            console.print(Text(block))
        elif isinstance(block, Drawing):
            console.print(Text(block.words))
        else:
            table = Table(
                title=Text(block.title) if block.title else None,
                title_justify="left",
                show_header=bool(block.header),
            )
            for name in block.header or block.rows[0]:
                table.add_column(Text(name))
            for row in block.rows:
                table.add_row(*map(Text, row))
            console.print(table)
