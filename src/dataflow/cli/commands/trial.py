"""`dataflow try`: several models or prompts on one sample."""

from __future__ import annotations

import json

from dataflow.app.options.evaluation.trial import TrialOptions
from dataflow.cli.shell.console import console, say
from dataflow.cli.shell.exit_codes import FAILED_ROWS
from dataflow.cli.shell.streams import need_stdout, put

EXAMPLES = (
    "dataflow try photos/ gpt-4o gpt-4o-mini --sample 50 --api-url https://api.openai.com/v1",
    "dataflow try data.jsonl demo --preset brief --preset alt-text",
    "dataflow try photos/ a b@http://127.0.0.1:8000/v1 --api-url URL --judge gpt-4o",
)


def try_(options: TrialOptions) -> int:
    """Try several MODELs or prompts on a sample of INPUT: price, speed, faults and quality.

    All answers are kept: the same command resumes, and asks nothing twice.
    """
    from dataflow.app.evaluation.trial.document import trial_document
    from dataflow.app.evaluation.trial.result import trial_value
    from dataflow.app.evaluation.trial.try_models import review_command, try_models
    from dataflow.cli.shell.reporting import reporter
    from dataflow.display.document import show_document

    if options.json:
        need_stdout("--json")
    result = try_models(options, reporter(console, is_quiet=options.quiet))
    if options.json:
        put([json.dumps(trial_value(result), ensure_ascii=False)])
    else:
        show_document(trial_document(result), console)
        say(f"Captions side by side, with the drawing: {result.folder / 'report.html'}")
        say(f"To look through them: {review_command(result)}")
    is_whole = all(one.captions == result.rows for one in result.variants)
    return 0 if is_whole else FAILED_ROWS
