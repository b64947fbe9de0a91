"""`dataflow estimate`: what captioning a dataset would cost, before a cent is spent."""

from __future__ import annotations

from dataflow.app.options.commands.estimate import EstimateOptions
from dataflow.cli.shell.console import console
from dataflow.cli.shell.streams import need_stdout, put

EXAMPLES = (
    "dataflow estimate photos/ --api-url https://api.openai.com/v1 --model gpt-4o-mini",
    "dataflow estimate data.jsonl --config captions.toml --probe 5",
)


def estimate(options: EstimateOptions) -> None:
    """Estimate the requests, tokens and cost of captioning INPUT.

    Takes every option of `dataflow caption`. Without --probe, no model is asked.
    """
    from dataflow.app.estimate import estimate as estimated
    from dataflow.cli.shell.reporting import reporter
    from dataflow.display.estimate import as_json, show_estimate

    if options.json:
        need_stdout("--json")
    found = estimated(options, reporter(console, is_quiet=options.quiet))
    if options.json:
        put([as_json(found)])
    else:
        show_estimate(found, console)
