"""`dataflow review` and `dataflow report`: people look at captions beside their pictures."""

from __future__ import annotations

from dataflow.app.options.commands.review import ReportPageOptions, ReviewOptions
from dataflow.cli.shell.console import console, say

REVIEW_EXAMPLES = (
    "dataflow review captions.jsonl",
    "dataflow review photos/ --sidecar .txt --author ada",
)
REPORT_EXAMPLES = ("dataflow report captions.jsonl -o report.html",)


def review(options: ReviewOptions) -> None:
    """Open a local page to look at the captions of DATASET, correct and accept them.

    Every decision is kept in the journal beside DATASET at once; DATASET itself stays as it is.
    Ctrl-C ends the page.
    """
    from dataflow.app.review import review as reviewed
    from dataflow.cli.shell.reporting import reporter

    def ready(address: str) -> None:
        say(f"Open {address}")
        say("Every decision is kept at once; Ctrl-C ends the page.")
        say(f"dataflow edits {options.dataset} lists them and writes them.")

    reviewed(options, reporter(console), on_ready=ready)


def report(options: ReportPageOptions) -> None:
    """Write one HTML file about the captions of DATASET, to hand round.

    It holds counts, lengths, the worst captions and a random sample with their pictures, and opens
    without a server or a network.
    """
    from dataflow.app.review import report as reported
    from dataflow.cli.shell.reporting import reporter

    say(f"The report is {reported(options, reporter(console))}")
