"""What asking again brings with a server that errs: `python -m tools.reask_table --rows 500`.

Prints the table of docs/checks.md. The server's rates are made up
(`tests/servers/erring_server.py`); what is measured is what the road makes of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from tests.servers.erring_server import FAULTS, NARROWEST, SAMPLING, ErringServer

from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.engine.columns import Column
from dataflow.engine.plan import Output, Plan
from dataflow.engine.quality.reject_policy import rejects_named
from dataflow.engine.reporting.progress import Summary
from dataflow.engine.runner import run
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai

KINDS = [kind for kind in FAULTS if kind != "lead_in"]

SCHEMA = {
    "type": "object",
    "properties": {"caption": {"type": "string"}},
    "required": ["caption"],
}
PROSE = CaptionRequirements(language="en", max_words=30, forbid=("possibly",), max_duplicates=3)
"""What is asked of captions that are prose; a caption here has some ten words."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a run.

    Attributes:
        summary: The run's own.
        asks: Requests a row.
        helped: Further asks that held the remedy for what was wrong.
        unhelped: Those that did not.
        edited: Captions in the output that the server never sent about their picture.
    """

    summary: Summary
    asks: float
    helped: int
    unhelped: int
    edited: int

    @property
    def accepted(self) -> float:
        """The share of rows with a caption that nothing is wrong with."""
        return self.summary.captioned / self.summary.rows


def measure(fault: str | None, rows: int, folder: Path, *, on_reject: str = "reask") -> Measured:
    """Caption `rows` pictures with a server that has this fault (None for all in turn)."""
    data = _dataset(folder, rows)
    output = folder / f"{fault}-{on_reject}.jsonl"
    asked = CaptionRequirements(schema=SCHEMA, max_duplicates=None) if fault == "schema" else PROSE
    with ErringServer(fault) as server:
        reader = open_reader(data)
        plan = Plan(
            reader=reader,
            requests_of=RowRequests(folders=[str(folder)]),
            serving=APIVLMServing_openai(server.url, model_name="erring", **SAMPLING),
            output=Output(output, [Column("caption")], writer_for(output, reader, ["caption"])),
            checks=[*checks_for(asked).values()],
            reject_policy=rejects_named(on_reject, mark=1),
        )
        summary = run(plan)
        captions = [json.loads(line)["caption"] for line in output.read_text().splitlines()]
        edited = sum(
            text is not None and text not in server.sent[number]
            for number, text in enumerate(captions)
        )
        asks = server.asked.total() / rows
    return Measured(summary, asks, server.helped, server.unhelped, edited)


def _dataset(folder: Path, rows: int) -> Path:
    path = folder / "data.jsonl"
    if not path.exists():
        for number in range(rows):
            Image.new("RGB", (NARROWEST + number, 32), (90, 120, 150)).save(
                folder / f"{number}.png"
            )
        lines = (json.dumps({"image": f"{number}.png"}) + "\n" for number in range(rows))
        path.write_text("".join(lines))
    return path


def table(rows: int, folder: Path) -> str:
    """The table, as Markdown."""
    titles = ("the server errs by", "accepted at once", "accepted after asking again")
    titles += ("asks a row", "kept, flagged", "no caption")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for fault in (*KINDS, None):
        once = measure(fault, rows, folder, on_reject="flag")
        again = measure(fault, rows, folder)
        flagged = Counter(again.summary.flagged).total()
        failed = Counter(again.summary.failed).total()
        name = "all of the first ten, in turn" if fault is None else f"`{fault}`"
        lines.append(
            f"| {name} | {once.accepted:.1%} | {again.accepted:.1%} | {again.asks:.2f} "
            f"| {flagged / rows:.1%} | {failed / rows:.1%} |"
        )
        if again.edited or again.unhelped:
            raise SystemExit(f"{fault}: {again.edited} edited, {again.unhelped} asked without help")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500)
    with tempfile.TemporaryDirectory() as place:
        sys.stdout.write(table(parser.parse_args().rows, Path(place)) + "\n")
