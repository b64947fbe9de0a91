"""`dataflow caption`: a dataset in, the same dataset with captions out."""

from __future__ import annotations

from collections.abc import Iterable

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.cli.shell.console import console
from dataflow.cli.shell.exit_codes import FAILED_ROWS
from dataflow.cli.shell.streams import need_stdout, put
from dataflow.core.text import short_text

LONGEST_SHOWN = 10_000
"""Characters of a caption that --show prints."""

EXAMPLES = (
    "dataflow caption photos/",
    "dataflow caption photos/ --sidecar .txt --preset brief",
    "dataflow caption data.jsonl -o captions.parquet --prompt 'What is the dog doing?'",
    "dataflow caption data.jsonl --api-url https://api.openai.com/v1 --model gpt-4o-mini",
    "dataflow caption data.jsonl --config captions.toml --max-cost 5",
)


def caption(options: CaptionOptions) -> int:
    """Give every picture of INPUT a caption.

    Run the same command again to resume after a stop: no answer is asked for twice.
    """
    # loads the engine, for which --help need not wait
    from dataflow.app.caption import caption as captioned
    from dataflow.cli.shell.reporting import reporter

    if options.show:
        need_stdout("--show")
    result = captioned(options, reporter(console, is_quiet=options.quiet))
    if options.show:
        several = sum(len(column.holds) for column in result.columns) > 1
        _print_captions(result.captions(), has_names=several)
    return 0 if result.is_complete else FAILED_ROWS


def _print_captions(captions: Iterable[tuple[str, str, str | None]], *, has_names: bool) -> None:
    put(
        "\t".join(
            [
                short_text(picture),
                *([short_text(column)] if has_names else []),
                short_text(text or "(no caption)", LONGEST_SHOWN),
            ]
        )
        for picture, column, text in captions
    )
