"""`dataflow compare`: which of several datasets has the better captions."""

from __future__ import annotations

import json

from dataflow.app.options.evaluation.compare import CompareOptions
from dataflow.cli.shell.console import console, say
from dataflow.cli.shell.exit_codes import FAILED_ROWS
from dataflow.cli.shell.judging import show_judge_estimate
from dataflow.cli.shell.streams import need_stdout, put

EXAMPLES = (
    "dataflow compare a.jsonl b.jsonl --api-url https://api.openai.com/v1 --model gpt-4o",
    "dataflow compare old.jsonl new.jsonl other.jsonl --sample 200 --estimate",
)


def compare(options: CompareOptions) -> int:
    """Say which of the DATASETs has the better captions, by a judge that sees each picture.

    The judge sees each pair of captions in both orders, and a win counts only where both agree.
    """
    from dataflow.app.evaluation.compare import compare as compared
    from dataflow.app.evaluation.compare import estimate_comparison
    from dataflow.app.evaluation.comparison_document import comparison_document
    from dataflow.app.evaluation.comparison_result import comparison_value
    from dataflow.cli.shell.reporting import reporter
    from dataflow.display.document import show_document

    if options.json:
        need_stdout("--json")
    shown = reporter(console, is_quiet=options.quiet)
    if options.estimate:
        return show_judge_estimate(estimate_comparison(options, shown), is_json=options.json)
    result = compared(
        options,
        shown,
        on_ready=lambda address: say(
            f"Open {address}\nEvery decision is kept at once; Ctrl-C ends the page."
        ),
    )
    if options.json:
        put([json.dumps(comparison_value(result), ensure_ascii=False)])
    else:
        show_document(comparison_document(result), console)
        say(f"Answers and results (result.json, result.md, result.html): {result.folder}")
    return FAILED_ROWS if result.failed else 0
