"""`dataflow`: the commands, and what each kind of end means to the shell.

Exit codes: 0 every row captioned; 3 finished, some rows failed or have a fault; 2 wrong usage;
1 the run stopped; 4 it stopped at its limit on money or tokens; 5 batches are under way;
130 Ctrl-C (143 SIGTERM, 129 SIGHUP).
"""

from __future__ import annotations

import logging
import signal
import sys

import click

from dataflow.cli.parser.entries import ENTRIES
from dataflow.cli.parser.group import CommandGroup
from dataflow.cli.shell import signals, streams
from dataflow.cli.shell.console import console, go_on, say
from dataflow.cli.shell.exit_codes import STOPPED, USAGE, code_of
from dataflow.cli.shell.log import PlainHandler
from dataflow.core.errors import StopRunError, UnderWayError
from dataflow.core.resources import lack_of
from dataflow.core.version import __version__
from dataflow.display.language import explained, sentence
from dataflow.remote.errors import RemoteError

dataflow = CommandGroup(ENTRIES, version=__version__)


def main() -> None:
    """Run the command line and leave with its exit code."""
    streams.prepare()
    # ours alone: other libraries' words about a picture are in its row's error already
    logger = logging.getLogger("dataflow")
    logger.addHandler(PlainHandler(console))
    logger.propagate = False
    ended_by = signals.hear()
    try:
        code = dataflow.main(prog_name="dataflow", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        code = 128 + signal.SIGINT
    except StopRunError as error:
        code = _stopped(error)
    except Exception as error:
        code = _code_of(error)
        if code is None:
            raise
    if ended_by and code and code >= 128:  # click's own code is always that of Ctrl-C
        say(sentence(f"Stopped; every answer is kept. To resume, {go_on()}."))
        code = 128 + ended_by[0]
    if len(ended_by) > 1:
        streams.end(code or 0)
    sys.exit(code)


def _stopped(error: StopRunError) -> int:
    """Say why the run stopped, and how to resume; returns the exit code."""
    from dataflow.cli.shell.reporting import has_answers

    if isinstance(error, UnderWayError):
        say(error.message)
        return code_of(error)
    say(f"error: {error.message}", style="red")
    if words := explained(error):
        say(words)
    if has_answers():
        say(sentence(f"What is done is kept. To resume, {go_on()}."))
    return code_of(error)


def _code_of(error: Exception) -> int | None:
    """Show what the machine lacks, and a mistake on the command line; None for anything else."""
    if lack := lack_of(error):
        say(f"error: {lack.message}", style="red")
        return STOPPED
    if isinstance(error, RemoteError):  # asked in between, of a store that was there before
        say(f"error: {error.filename}: {error.strerror}; {error.cure}", style="red")
        return STOPPED
    if not isinstance(error, click.ClickException):
        return None
    error.show()
    return int(getattr(error, "exit_code", USAGE))
