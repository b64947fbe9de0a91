"""One HTML file about a dataset's captions, to hand round: it opens without a server or a network.

It holds the counts, the lengths drawn, the worst captions and a random sample, with small pictures
inside. There is no script in it, and captions are text only.
"""

from __future__ import annotations

import base64
import random
import sqlite3
from collections.abc import Iterable, Sequence
from html import escape
from typing import IO

from dataflow.core.errors import RowError
from dataflow.review.index import ReviewIndex
from dataflow.review.queries import count_of, facets_of
from dataflow.review.thumbnails import Thumbnails
from dataflow.review.view import View, read_view

WORST = 200
SAMPLE = 100
BARS = 24
"""Bars of the drawing of lengths."""

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto;
 padding: 0 1rem; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .2rem .8rem .2rem 0; text-align: left; }}
td.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
article {{ display: grid; grid-template-columns: 160px 1fr; gap: 1rem; padding: .6rem 0;
 border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); }}
article img {{ max-width: 160px; max-height: 160px; }}
article p {{ margin: 0; overflow-wrap: anywhere; }}
.soft {{ opacity: .7; font-size: .9em; }} .bad {{ color: #b3261e; }}
svg {{ max-width: 100%; height: auto; }}
</style></head><body>
"""


async def write_report(
    file: IO[str],
    index: ReviewIndex,
    thumbnails: Thumbnails,
    *,
    title: str,
    seed: int = 0,
) -> None:
    """Write the page.

    Args:
        file: Where it goes, open for text in UTF-8.
        index: The captions.
        thumbnails: Their pictures, entered.
        title: What they are of.
        seed: Of the random sample.

    Raises:
        OSError: the file cannot be written.
    """
    file.write(_HEAD.format(title=escape(title)))
    file.write(f"<h1>{escape(title)}</h1>\n")
    file.write(_overview(index))
    file.write(f"<h2>Lengths</h2>\n{_lengths(index)}\n")
    worst = _rows(index, read_view("", "queue"), WORST, "severity > 0")
    file.write(f"<h2>What the checks found: the worst {len(worst)}</h2>\n")
    await _articles(file, worst, thumbnails)
    sample = _sample(index, seed)
    file.write(f"<h2>A random sample of {len(sample)}</h2>\n")
    await _articles(file, sample, thumbnails)
    file.write("</body></html>\n")


def _overview(index: ReviewIndex) -> str:
    facets = facets_of(index, View())
    count = count_of(index, View())
    sound = count_of(index, View(("severity = 0",)))
    share = f"{sound / count:.1%}" if count else "none"
    lines = [f"<p>{count:,} captions; {share} of them passed every check.</p>"]
    for name, values in facets.items():
        if values and list(values) != [""]:
            lines.append(f"<h2>{escape(name.capitalize())}</h2>\n<table>")
            lines += [
                f'<tr><td>{escape(value or "none")}</td><td class="n">{number:,}</td></tr>'
                for value, number in values.items()
            ]
            lines.append("</table>")
    return "\n".join(lines)


def _lengths(index: ReviewIndex) -> str:
    """How many captions have how many words, as bars."""
    [longest] = index.db.execute("SELECT max(words) FROM items").fetchone()
    step = max(1, -(-((longest or 0) + 1) // BARS))
    counts = [0] * BARS
    for bar, number in index.db.execute(
        "SELECT words / ?, count(*) FROM items GROUP BY 1", (step,)
    ):
        counts[bar] = number
    most = max(counts) or 1
    bars = [
        f'<rect x="{n * 30}" y="{120 - round(110 * count / most)}" width="26"'
        f' height="{round(110 * count / most)}"><title>{n * step} to {(n + 1) * step - 1} words:'
        f" {count:,}</title></rect>"
        for n, count in enumerate(counts)
    ]
    marks = [
        f'<text x="{n * 30}" y="136" font-size="11" fill="currentColor">{n * step}</text>'
        for n in range(0, BARS, 4)
    ]
    return (
        f'<svg viewBox="0 0 {BARS * 30} 140" role="img" aria-label="Words of a caption"'
        f' fill="#0b5cad">{"".join(bars + marks)}</svg>'
    )


def _rows(index: ReviewIndex, view: View, limit: int, where: str) -> list[sqlite3.Row]:
    return index.db.execute(
        f"SELECT * FROM items WHERE {where} ORDER BY {view.order} LIMIT ?",  # noqa: S608
        (limit,),
    ).fetchall()


def _sample(index: ReviewIndex, seed: int) -> list[sqlite3.Row]:
    [count] = index.db.execute("SELECT count(*) FROM items").fetchone()
    chosen = sorted(random.Random(seed).sample(range(1, count + 1), min(SAMPLE, count)))
    found: Iterable[sqlite3.Row | None] = map(index.item, chosen)
    return [row for row in found if row is not None]


async def _articles(file: IO[str], rows: Sequence[sqlite3.Row], thumbnails: Thumbnails) -> None:
    for row in rows:
        try:
            picture = await thumbnails.load(row["picture"], "small")
        except RowError as error:
            image = f'<p class="soft">{escape(str(error))}</p>'
        else:
            data = base64.b64encode(picture.data).decode()
            image = f'<img alt="" src="data:{picture.media_type};base64,{data}">'
        kinds = f' <span class="bad">{escape(row["kinds"])}</span>' if row["kinds"] else ""
        decision = f" · {escape(row['decision'])}" if row["decision"] else ""
        file.write(
            f"<article><div>{image}</div><div><p>{escape(row['text']) or '(no caption)'}</p>"
            f'<p class="soft">{escape(row["source"])} · {escape(row["column"])}{decision}{kinds}'
            "</p></div></article>\n"
        )
