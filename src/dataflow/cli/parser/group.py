"""The program with its commands: ``--version``, shell completion, and help for a mistyped name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import click

from dataflow.cli.parser.entries import CommandEntry


class CommandGroup(click.Group):
    """The group of all commands.

    Args:
        commands: The commands, in the order of the help.
        version: What ``--version`` prints.
    """

    def __init__(self, commands: Sequence[CommandEntry], *, version: str) -> None:
        super().__init__(
            "dataflow",
            help="Write a caption for every picture of a dataset, with a vision-language model.",
            no_args_is_help=True,
            params=[_version_option(version), _completion_option()],
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
            epilog="Run `dataflow COMMAND --help` for the options of a command.",
        )
        self._entries = {entry.name: entry for entry in commands}
        self._order = list(self._entries)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which they are used, not by the alphabet."""
        return self._order

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, which is read now; None where there is none."""
        if cmd_name not in self.commands and cmd_name in self._entries:
            self.add_command(self._entries[cmd_name].make())
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, which are not read for it."""
        width = formatter.width - 6 - max(map(len, self._order))
        rows = [
            (entry.name, click.Command(entry.name, help=entry.help).get_short_help_str(width))
            for entry in self._entries.values()
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or an error that names the one that was meant."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, self._order, n=1)
            cure = (
                f"did you mean `dataflow {near[0]}`?"
                if near
                else f"there are {', '.join(self._order)}; to caption a dataset, run "
                f"`dataflow caption {name}`"
            )
            raise click.UsageError(f"there is no command {name!r}: {cure}", ctx)
        return super().resolve_command(ctx, args)


def _version_option(version: str) -> click.Option:
    def show(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            click.echo(f"dataflow {version}")
            ctx.exit()

    return click.Option(
        ["-V", "--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the version and exit.",
    )


def _completion_option() -> click.Option:
    def show(ctx: click.Context, _param: click.Parameter, shell: str | None) -> None:
        if shell is None or ctx.resilient_parsing:
            return
        from click.shell_completion import get_completion_class

        found = get_completion_class(shell)
        if found is not None:
            click.echo(found(ctx.command, {}, "dataflow", "_DATAFLOW_COMPLETE").source())
        ctx.exit()

    return click.Option(
        ["--show-completion"],
        type=click.Choice(("bash", "zsh", "fish")),
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Print the completion script of a shell; for bash, add to ~/.bashrc: "
        'eval "$(dataflow --show-completion bash)"',
    )
