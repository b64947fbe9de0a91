"""A result's document as one HTML file that opens without a server or a network.

There is no script in it, pictures are small and inside, and foreign text is text only.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from dataflow.app.evaluation.output.document import (
    Block,
    Drawing,
    PictureExample,
    ResultDocument,
    ResultTable,
    markdown_of,
)
from dataflow.app.evaluation.output.files import whole_file, write_file
from dataflow.core.aio import run_to_end
from dataflow.core.errors import RowError
from dataflow.images.base.limits import Limits
from dataflow.review.thumbnails import Thumbnails

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto;
 padding: 0 1rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; margin: .4rem 0 1.2rem; }}
th, td {{ padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top;
 border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent);
 font-variant-numeric: tabular-nums; overflow-wrap: anywhere; min-width: 3.5rem; }}
thead th {{ border-bottom-width: 2px; overflow-wrap: normal; }}
article {{ display: grid; grid-template-columns: 200px 1fr; gap: 1.2rem; padding: .8rem 0;
 border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); }}
article img {{ max-width: 200px; max-height: 200px; }}
article dl {{ margin: 0; display: grid; gap: .6rem;
 grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); }}
article dt {{ font-weight: 600; }} article dd {{ margin: 0; overflow-wrap: anywhere; }}
.soft {{ opacity: .75; font-size: .92em; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
svg {{ width: 100%; max-width: 52rem; height: auto; }}
@media (max-width: 40rem) {{ article {{ grid-template-columns: 1fr; }} }}
</style></head><body><main>
"""


def write_page(path: Path, document: ResultDocument, *, limits: Limits | None = None) -> None:
    """Write the document as a page, whole or not at all.

    Args:
        path: Where.
        document: What it says.
        limits: What a picture may cost.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(path) as file:
        file.write(_HEAD.format(title=escape(document.title)))
        file.write(f"<h1>{escape(document.title)}</h1>\n")
        file.write("".join(map(_block, document.blocks)))
        if document.examples:
            file.write(f"<h2>{escape(document.examples_title)}</h2>\n")
            file.write("".join(run_to_end(_articles(document.examples, limits or Limits()))))
        if document.method:
            file.write("<h2>Method</h2>\n")
            file.write("".join(map(_block, document.method)))
        file.write("</main></body></html>\n")


def write_result(
    folder: Path,
    value: Mapping[str, Any],
    document: ResultDocument,
    *,
    stem: str = "result",
    page: str = "result",
) -> None:
    """Write a result as JSON, as Markdown and as a page.

    Args:
        folder: Where; it is made where it is not there.
        value: The result as plain JSON.
        document: The result for people.
        stem: Name of the first two files, without an ending.
        page: Name of the page, without an ending.

    Raises:
        OutputError: a file cannot be written.
    """
    text = json.dumps(value, ensure_ascii=False, indent=2)
    write_file(folder / f"{stem}.json", f"{text}\n")
    write_file(folder / f"{stem}.md", markdown_of(document))
    write_page(folder / f"{page}.html", document)


def _block(block: Block) -> str:
    if isinstance(block, str):
        tag = "pre" if "\n" in block else "p"
        return f'<{tag} dir="auto">{escape(block)}</{tag}>\n'
    if isinstance(block, Drawing):
        return f"<h2>{escape(block.title)}</h2>\n{block.svg}\n<p>{escape(block.words)}</p>\n"
    return _table(block)


def _table(table: ResultTable) -> str:
    title = f"<h2>{escape(table.title)}</h2>\n" if table.title else ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.header)
    rows = "".join(
        "<tr>"
        f'<th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in table.rows
    )
    thead = f"<thead><tr>{head}</tr></thead>\n" if head else ""
    return f'{title}<div class="wide"><table>{thead}<tbody>{rows}</tbody></table></div>\n'


async def _articles(examples: Sequence[PictureExample], limits: Limits) -> list[str]:
    found = []
    async with Thumbnails([os.curdir], limits) as thumbnails:
        for example in examples:
            try:
                picture = await thumbnails.load(json.dumps(example.picture), "small")
            except RowError as error:
                image = f'<p class="soft">{escape(error.message)}</p>'
            else:
                data = base64.b64encode(picture.data).decode()
                name = escape(Path(example.picture).name)
                image = f'<img alt="{name}" src="data:{picture.media_type};base64,{data}">'
            texts = "".join(
                f'<div><dt>{escape(name)}</dt><dd dir="auto">{escape(text) or "(none)"}</dd></div>'
                for name, text in example.texts
            )
            note = f'<p class="soft" dir="auto">{escape(example.note)}</p>' if example.note else ""
            found.append(
                f"<article><div>{image}</div><div><dl>{texts}</dl>{note}</div></article>\n"
            )
    return found
