"""`dataflow`: the commands, and what each kind of end means to the shell.

Exit codes: 0 every row captioned; 3 finished, some rows failed or have a fault; 2 wrong usage;
1 the run stopped; 4 it stopped at its limit on money or tokens; 5 batches are under way;
130 Ctrl-C (143 SIGTERM, 129 SIGHUP).
"""

from __future__ import annotations

import logging
import signal
import sys

import typer
from rich.logging import RichHandler

from dataflow import __version__
from dataflow.cli.commands.caption import caption
from dataflow.cli.commands.check import check
from dataflow.cli.commands.estimate import estimate
from dataflow.cli.commands.presets import presets
from dataflow.cli.commands.status import status
from dataflow.cli.shell import signals, streams
from dataflow.cli.shell.console import console, go_on, say
from dataflow.cli.shell.exit_codes import STOPPED, USAGE, code_of
from dataflow.cli.shell.option_groups import PanelCommand
from dataflow.core.errors import StopRunError
from dataflow.core.resources import lack_of
from dataflow.remote.errors import RemoteError

app = typer.Typer(
    name="dataflow",
    help="A true caption for every picture of a dataset, from a vision-language model.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("caption", cls=PanelCommand)(caption)
app.command("estimate", cls=PanelCommand)(estimate)
app.command("status")(status)
app.command("check", cls=PanelCommand)(check)
app.command("presets")(presets)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"dataflow {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """A true caption for every picture of a dataset, from a vision-language model."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    streams.prepare()
    # ours alone: other libraries' words about a picture are in its row's error already
    logger = logging.getLogger("dataflow")
    logger.addHandler(RichHandler(console=console, show_path=False, show_time=False))
    logger.propagate = False
    ended_by = signals.hear()
    try:
        code = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = 128 + signal.SIGINT
    except StopRunError as error:
        say(f"error: {error.message}", style="red")
        code = code_of(error)
    except Exception as error:
        code = _code_of(error)
        if code is None:
            raise
    if ended_by and code and code >= 128:  # typer's own code is always that of Ctrl-C
        say(f"Stopped; every answer is kept. To go on, {go_on()}.")
        code = 128 + ended_by[0]
    if len(ended_by) > 1:
        streams.end(code or 0)
    sys.exit(code)


def _code_of(error: Exception) -> int | None:
    """Show what the machine lacks, and a mistake on the command line as typer does; else None."""
    if lack := lack_of(error):
        say(f"error: {lack.message}", style="red")
        return STOPPED
    if isinstance(error, RemoteError):  # asked in between, of a store that was there before
        say(f"error: {error.filename}: {error.strerror}; {error.cure}", style="red")
        return STOPPED
    show = getattr(error, "show", None)
    if show is None:
        return None
    show()
    return int(getattr(error, "exit_code", USAGE))
