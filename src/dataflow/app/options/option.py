"""What an option is: a field of a frozen dataclass, with an `Option` that describes it.

The command line builds its parser from these fields, and Python's functions take them by the same
names. To add an option, add a field to the dataclass of its group and read it where it matters.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from dataflow.core.errors import UsageError
from dataflow.core.raw_json import parse_json
from dataflow.core.settings import ANY_TEXT, is_finite, value_text


@dataclass(frozen=True, slots=True)
class Option:
    """The description of one option.

    Attributes:
        help: What the option does, for ``--help``.
        flags: Its flags, such as ``("-o", "--output")``; empty for the field's name with dashes.
        hidden: Former or foreign names of it that work and that ``--help`` does not show.
        metavar: What stands for its value; FILE and FOLDER also complete paths in the shell.
        least: The smallest value that it takes.
        most: The largest value that it takes.
        default: The default in words, where the value itself does not say enough.
        negatable: Whether a switch also has a ``--no-`` form.
        is_argument: Whether it is given by position, without a flag.
        pairs: What stands between name and value, for an option that is a mapping: ``"="`` or
            ``":"``.
    """

    help: str
    flags: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    metavar: str | None = None
    least: float | None = None
    most: float | None = None
    default: str | None = None
    negatable: bool = False
    is_argument: bool = False
    pairs: str = ""


@dataclass(frozen=True, slots=True)
class OptionField:
    """A field of an options dataclass, as a parser needs it.

    Attributes:
        name: The field's name, which is the option's name in Python and in a ``--config`` file.
        kind: `bool`, `int`, `float`, `str` or `dict`: the type of one value.
        choices: The words it takes; empty for any.
        is_list: Whether it may be given several times.
        is_optional: Whether None is a value.
        is_switch: Whether it is a switch that also takes a value: ``--flag`` or ``--flag=VALUE``.
        default: Its default; `MISSING` where it must be given.
        group: The title under which ``--help`` shows it.
        option: Its description.
        takes: The types of which one value may be.
    """

    name: str
    kind: type
    choices: tuple[str, ...]
    is_list: bool
    is_optional: bool
    is_switch: bool
    default: Any
    group: str
    option: Option
    takes: tuple[type, ...] = (str,)

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags that ``--help`` shows."""
        return self.option.flags or (f"--{self.name.replace('_', '-')}",)

    @property
    def flag(self) -> str:
        """The long flag, or the placeholder of an argument: its name in messages."""
        if self.option.is_argument:
            return self.option.metavar or self.name.upper()
        return max(self.flags, key=len)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The base of every options dataclass: checks the values, wherever they come from.

    Attributes:
        GROUP: The title under which ``--help`` shows the fields of the class.

    Raises:
        UsageError: A value is of another type, out of its range, or none of its words.
    """

    GROUP: ClassVar[str] = "Options"

    def __post_init__(self) -> None:
        for known in option_fields(type(self)):
            value = getattr(self, known.name)
            checked = _checked(known, value)
            if checked is not value:
                object.__setattr__(self, known.name, checked)


_FIELDS: dict[type, tuple[OptionField, ...]] = {}
"""What `option_fields` has found: reading type hints takes a millisecond for each class."""


def option_fields(options: type[Options]) -> tuple[OptionField, ...]:
    """The fields of an options dataclass that have an `Option`, in their order."""
    if options in _FIELDS:
        return _FIELDS[options]
    hints = get_type_hints(options, include_extras=True)
    groups = _groups(options)
    found = tuple(
        _option_field(field, hints[field.name], groups[field.name])
        for field in fields(options)
        if get_origin(hints[field.name]) is Annotated
    )
    return _FIELDS.setdefault(options, found)


def _groups(options: type[Options]) -> dict[str, str]:
    groups: dict[str, str] = {}
    for base in options.__mro__:
        for name in vars(base).get("__annotations__", {}):
            groups.setdefault(name, getattr(base, "GROUP", Options.GROUP))
    return groups


def _option_field(field: Field[Any], hint: Any, group: str) -> OptionField:
    kind, option, *_ = get_args(hint)
    members = list(get_args(kind)) if get_origin(kind) in (Union, UnionType) else [kind]
    is_optional = NoneType in members
    found = [member for member in members if member is not NoneType]
    listed = [get_args(member)[0] for member in found if get_origin(member) is list]
    if listed:
        found = listed
    words = next((get_args(member) for member in found if get_origin(member) is Literal), ())
    one = str if words else (found[0] if len(found) == 1 else str)
    if option.pairs:
        one = dict
    return OptionField(
        field.name,
        one,
        words,
        bool(listed) or one is dict,
        is_optional,
        bool in found and len(found) > 1,
        field.default if field.default_factory is MISSING else field.default_factory(),
        group,
        option,
        tuple(member for member in found if isinstance(member, type)) or (str,),
    )


def _checked(known: OptionField, value: Any) -> Any:
    """`value` as the field takes it: a lone value becomes a list where a list is meant."""
    if value is None and known.is_optional:
        return value
    if known.kind is dict:
        return dict(value) if isinstance(value, Mapping) else _pairs(known, value)
    if known.is_switch and value in ("true", "false"):
        return value == "true"
    if known.is_list:
        values = _items(known, value)
        return [_one(known, item) for item in values]
    return _one(known, value)


def _items(known: OptionField, value: Any) -> list[Any]:
    """The items of a list; a lone text or path is one."""
    if isinstance(value, (str, bytes, os.PathLike)):
        return [value]
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise UsageError(f"{known.flag} takes a list, not {value_text(value)}")
    return list(value)


def _pairs(known: OptionField, given: Any) -> dict[str, Any]:
    """Texts such as ``NAME=VALUE`` as a mapping; values are JSON where they can be."""
    separator, found = known.option.pairs, {}
    for text in _items(known, given):
        name, found_separator, value = str(text).partition(separator)
        if not (name.strip() and found_separator):
            raise UsageError(f"{known.flag} is written {known.option.metavar}, not {text!r}")
        found[name.strip()] = _json_or_text(value) if separator == "=" else value.strip()
    return found


def _json_or_text(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return text


def _one(known: OptionField, value: Any) -> Any:
    if known.choices:
        if not isinstance(value, str) or value not in known.choices:
            words = _either(known.choices)
            raise UsageError(f"{known.flag} takes {words}, not {value_text(value)}")
    elif known.kind in (int, float):
        value = _number(known, value)
    elif known.kind is bool:
        return _truth(known, value)
    elif known.kind is str:
        return _text(known, value)
    return value


def _truth(known: OptionField, value: Any) -> bool:
    found = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise UsageError(f"{known.flag} is true or false, not {value_text(value)}")
    return found


def _text(known: OptionField, value: Any) -> Any:
    """A text or a path; a number or a truth value only where the option says so."""
    if bool in known.takes and isinstance(value, bool):
        return value
    is_number = any(kind in known.takes for kind in (int, float))
    if is_number and is_finite(value):
        return value
    given = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not ANY_TEXT.fits(given):
        kind = "a text or a number" if is_number else "a text"
        raise UsageError(f"{known.flag} takes {kind}, not {value_text(value)}")
    return given


def _number(known: OptionField, value: Any) -> Any:
    if not is_finite(value) or (known.kind is int and value != int(value)):
        kind = "a whole number" if known.kind is int else "a number"
        raise UsageError(f"{known.flag} takes {kind}, not {value_text(value)}")
    least, most = known.option.least, known.option.most
    if (least is not None and value < least) or (most is not None and value > most):
        bounds = f"at least {least:g}" if most is None else f"from {least or 0:g} to {most:g}"
        raise UsageError(f"{known.flag} is {bounds}, not {value!r}")
    return known.kind(value)


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def given_options(options: Options) -> Iterator[OptionField]:
    """The options whose values are not their defaults."""
    for known in option_fields(type(options)):
        value = getattr(options, known.name)
        # a number that may be a word comes from the command line as text
        if value != known.default and str(value) != str(known.default):
            yield known


def names_of(*classes: type[Options]) -> set[str]:
    """The field names of these dataclasses."""
    return {known.name for options in classes for known in option_fields(options)}


def shared_values(options: Options, target: type[Options]) -> Mapping[str, Any]:
    """The values of `options` for the fields that `target` has too."""
    known = names_of(target)
    return {f.name: getattr(options, f.name) for f in fields(options) if f.name in known}
