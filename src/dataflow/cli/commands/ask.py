"""`dataflow ask`: questions as a test of captions."""

from __future__ import annotations

import json

from dataflow.app.options.evaluation.ask import AskOptions
from dataflow.cli.shell.console import console, say
from dataflow.cli.shell.exit_codes import FAILED_ROWS
from dataflow.cli.shell.judging import show_judge_estimate
from dataflow.cli.shell.streams import need_stdout, put

EXAMPLES = (
    (
        "dataflow ask captions.jsonl questions.jsonl --api-url https://api.openai.com/v1 "
        "--model gpt-4o-mini"
    ),
    "dataflow ask captions.jsonl captionqa.json --join image_id --repeats 3 --estimate",
)


def ask(options: AskOptions) -> int:
    """Test the captions of OUTPUT by QUESTIONS that a model answers from the captions alone.

    It sees no picture and never the true answers; the counting is done here.
    """
    from dataflow.app.evaluation.ask import ask as asked
    from dataflow.app.evaluation.ask import estimate_questions
    from dataflow.app.evaluation.ask_result import ask_document, ask_value
    from dataflow.cli.shell.reporting import reporter
    from dataflow.display.document import show_document

    if options.json:
        need_stdout("--json")
    shown = reporter(console, is_quiet=options.quiet)
    if options.estimate:
        return show_judge_estimate(estimate_questions(options, shown), is_json=options.json)
    result = asked(options, shown)
    if options.json:
        put([json.dumps(ask_value(result), ensure_ascii=False)])
    else:
        show_document(ask_document(result), console)
        say(f"Every answer (answers.jsonl) and results (json, md, html): {result.folder}")
    return FAILED_ROWS if result.failed else 0
