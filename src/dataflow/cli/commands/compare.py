"""`dataflow compare`: which of several datasets has the better captions."""

from __future__ import annotations

import json

from dataflow.app.options.commands.compare import CompareOptions
from dataflow.cli.shell.console import console
from dataflow.cli.shell.streams import need_stdout, put

EXAMPLES = (
    "dataflow compare a.jsonl b.jsonl --api-url https://api.openai.com/v1 --model gpt-4o",
    "dataflow compare old.jsonl new.jsonl other.jsonl --sample 200 --max-cost 5",
)


def compare(options: CompareOptions) -> int:
    """Say which of the DATASETs has the better captions, by a judge that sees each picture.

    The judge sees each pair of captions in both orders, and a win counts only where both agree.
    """
    from dataflow.app.compare import compare as compared
    from dataflow.app.compare import comparison_value
    from dataflow.cli.shell.reporting import reporter
    from dataflow.display.comparison import show_comparison

    if options.json:
        need_stdout("--json")
    result = compared(options, reporter(console))
    if options.json:
        put([json.dumps(comparison_value(result), ensure_ascii=False)])
    else:
        show_comparison(result, console)
    return 0
