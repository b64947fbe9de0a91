"""A click command made from an options dataclass: flags, types, help by group, shell completion."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING
from typing import Any, TypeVar

import click

from dataflow.app.options.config import read_config, read_record
from dataflow.app.options.option import OptionField, Options, option_fields
from dataflow.cli.parser.suggestions import suggestion_for
from dataflow.display.language import LANGUAGES, choose

T = TypeVar("T", bound=Options)

_METAVARS: dict[type, str] = {int: "N", float: "N"}
_NARROW = 100  # columns of --help, whatever the terminal has: docs/cli.md shows the same


def command(
    options: type[T], function: Callable[[T], int | None], *, examples: Sequence[str] = ()
) -> click.Command:
    """The command that parses `options` and hands them to `function`.

    Args:
        options: The options dataclass.
        function: Runs the command and returns its exit code, None for 0. Its docstring is the help
            and its name the command's.
        examples: Command lines that ``--help`` shows.
    """

    def run(**given: Any) -> int:
        return function(options(**_listed(options, given))) or 0

    params = [_parameter(known) for known in option_fields(options)]
    if any(not known.option.is_argument for known in option_fields(options)):
        params.append(_config_option(options))
    if any(known.name == "restart" for known in option_fields(options)):
        params.append(_from_option(options))
    params.append(_language_option())
    return OptionsCommand(
        name=function.__name__.rstrip("_"),  # try_ is no keyword
        callback=run,
        params=params,
        help=inspect.cleandoc(function.__doc__ or ""),
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _NARROW},
        examples=examples,
    )


class OptionsCommand(click.Command):
    """A command whose help shows its options group by group, and examples at the end."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and help where an option is not known."""
        switches = {
            flag
            for param in self.params
            if isinstance(param, OptionParameter) and param.is_switch
            for flag in param.opts
        }
        args = [f"{arg}=true" if arg in switches else arg for arg in args]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            cure = suggestion_for(error.option_name, self._flags(), error.possibilities or ())
            if cure is None:
                raise
            raise click.UsageError(f"there is no option {error.option_name}: {cure}", ctx) from None

    def _flags(self) -> list[str]:
        return [flag for param in self.params for flag in param.opts if flag.startswith("--")]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the arguments, then each group of options, then the examples."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(param, "group", "Options"), []).append(record)
        groups = {"Arguments": groups.pop("Arguments", []), **groups}
        general = groups.pop("Options", None)
        for title, lines in groups.items():
            if not lines:
                continue
            with formatter.section(title):
                formatter.write_dl(lines)
        if general is not None:
            with formatter.section("General"):
                formatter.write_dl(general)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class OptionParameter(click.Option):
    """An option that belongs to a group of the help.

    Attributes:
        group: The group's title.
        shown_flags: The flags that the help shows; the others are former names that still work.
        default_text: The default in words; empty for none.
        is_switch: Whether it may stand without its value, which then follows a ``=``.
    """

    def __init__(
        self,
        *args: Any,
        group: str,
        hidden_flags: Sequence[str] = (),
        default_text: str = "",
        is_switch: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.group = group
        self.default_text = default_text
        self.is_switch = is_switch
        hidden = {*hidden_flags, *(f"--no-{flag[2:]}" for flag in hidden_flags)}
        both = [*self.opts, *self.secondary_opts]
        self.shown_flags = sorted((f for f in both if f not in hidden), key=_by_dashes)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The flags and the help, with the default and whether it may be repeated."""
        flags = ", ".join(self.shown_flags)
        if not self.is_flag:
            flags += f"[={self.metavar}]" if self.is_switch else f" {self.make_metavar(ctx)}"
        notes = ["repeatable"] if self.multiple else []
        if self.default_text:
            notes.append(f"default: {self.default_text}")
        note = f"  [{'; '.join(notes)}]" if notes else ""
        return flags, f"{self.help or ''}{note}"


def _by_dashes(flag: str) -> bool:
    return flag.startswith("--")


class OptionArgument(click.Argument):
    """An argument with a help text.

    Attributes:
        group: The group's title.
        help_text: What it is.
    """

    group = "Arguments"

    def __init__(self, *args: Any, help: str, **kwargs: Any) -> None:  # noqa: A002 (click's word)
        self.help_text = help
        super().__init__(*args, **kwargs)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """The name and the help."""
        return self.make_metavar(ctx), self.help_text


def _parameter(known: OptionField) -> click.Parameter:
    option, is_needed = known.option, known.default is MISSING
    kind: Any = _type_of(known)
    if option.is_argument:
        return OptionArgument(
            [known.name], type=kind, required=is_needed, metavar=option.metavar, help=option.help,
            nargs=-1 if known.is_list else 1,
        )  # fmt: skip
    flags = [*known.flags, *option.hidden]
    given: dict[str, Any] = {}
    if known.kind is bool:
        given = {"is_flag": True, "default": known.default}
        if option.negatable:
            flags = [f"{flag}/--no-{flag[2:]}" for flag in flags]
    else:
        given = {
            "type": kind,
            "metavar": option.metavar or (None if known.choices else _METAVARS.get(known.kind)),
            "multiple": known.is_list,
        }
        given["default"] = None if known.is_list or known.is_switch else known.default
        given["is_switch"] = known.is_switch
    return OptionParameter(
        [known.name, *flags], help=option.help, required=is_needed, group=known.group,
        hidden_flags=option.hidden, default_text=_default_text(known), **given,
    )  # fmt: skip


def _default_text(known: OptionField) -> str:
    if known.option.default is not None:
        return known.option.default
    return "" if known.default in (None, False, True, "", MISSING) else f"{known.default:}"


def _type_of(known: OptionField) -> Any:
    least, most = known.option.least, known.option.most
    if known.choices:
        return click.Choice(known.choices)
    if known.kind is int and (least is not None or most is not None):
        return click.IntRange(
            None if least is None else int(least), None if most is None else int(most)
        )
    if known.kind is float and (least is not None or most is not None):
        return click.FloatRange(least, most)
    if known.option.metavar in ("FILE", "FOLDER", "INPUT", "DATASET", "OUTPUT"):
        return click.Path()  # for the shell's completion; the file is looked at where it is read
    if known.kind is str and isinstance(known.default, (int, float)):
        return click.UNPROCESSED  # a number or a word: the default stays the number that it is
    return str if known.kind is dict else known.kind


def _config_option(options: type[Options]) -> click.Parameter:
    def load(ctx: click.Context, _param: click.Parameter, path: str | None) -> None:
        if path is not None:
            ctx.default_map = {**(ctx.default_map or {}), **read_config(path, options)}

    return OptionParameter(
        ["--config"], type=click.Path(), metavar="FILE", is_eager=True, expose_value=False,
        callback=load, group="Options",
        help="Read options from this TOML file, each by its name; the command line wins over it.",
    )  # fmt: skip


def _from_option(options: type[Options]) -> click.Parameter:
    def load(ctx: click.Context, _param: click.Parameter, path: str | None) -> None:
        if path is not None:
            ctx.default_map = {**read_record(path, options), **(ctx.default_map or {})}

    return OptionParameter(
        ["--from"], type=click.Path(), metavar="FILE", is_eager=True, expose_value=False,
        callback=load, group="Options",
        help="Take the settings of an earlier run from its record, OUTPUT.run.json; --config and "
        "the command line win over it.",
    )  # fmt: skip


def _language_option() -> click.Parameter:
    def use(_ctx: click.Context, _param: click.Parameter, language: str | None) -> None:
        choose(language)

    return OptionParameter(
        ["--lang"], type=click.Choice(LANGUAGES), is_eager=True, expose_value=False,
        callback=use, group="Options", default_text="that of the locale",
        help="The language of the summary and of the commonest errors.",
    )  # fmt: skip


def _listed(options: type[Options], given: dict[str, Any]) -> dict[str, Any]:
    """Click's tuples as lists, and None where an option was not given."""
    found: dict[str, Any] = {}
    for known in option_fields(options):
        value = given[known.name]
        if known.is_list and value is not None:
            value = value if isinstance(value, dict) else list(value) or None
        if value is None and not known.is_optional:
            value = known.default  # a switch that was not given
        found[known.name] = value
    return found
