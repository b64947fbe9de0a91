"""`dataflow check`: which captions of a dataset are unfit for training, and what they are like."""

from __future__ import annotations

from dataflow.app.options.commands.check import CheckOptions
from dataflow.cli.shell.console import console
from dataflow.cli.shell.exit_codes import FAILED_ROWS
from dataflow.cli.shell.streams import need_stdout, put

EXAMPLES = (
    "dataflow check captions.jsonl",
    "dataflow check photos/ --sidecar .txt --language en --max-words 60",
    "dataflow check captions.jsonl --fix --api-url http://localhost:8000/v1 --model MODEL",
    "dataflow check --learn guesses.txt sound.txt",
)


def check(options: CheckOptions) -> int:
    """Report which captions of DATASET are unfit for training, and what the captions are like.

    Nothing is changed, and exit status 3 means that a caption has a fault. With --fix, those
    captions are asked for again, and 3 means that some are left.
    """
    from dataflow.app.quality.check import (
        check as checked,  # compiles patterns: --help need not wait
    )
    from dataflow.app.quality.fix import fix
    from dataflow.app.quality.learn import learn_kind
    from dataflow.cli.shell.reporting import reporter
    from dataflow.display.report import as_json

    if options.json:
        need_stdout("--json")
    show = (lambda report: put([as_json(report)])) if options.json else None
    shown = reporter(console, show, is_quiet=options.quiet)
    if options.learn is not None:
        learn_kind(options, shown)
        return 0
    is_sound = (fix if options.fix else checked)(options, shown).is_sound
    return 0 if is_sound else FAILED_ROWS
