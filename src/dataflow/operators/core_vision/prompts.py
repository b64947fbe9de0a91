"""What is asked for each column of captions, and the file that says so."""

from __future__ import annotations

import string
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from dataflow.core.errors import UsageError
from dataflow.core.serving import EngineServing, sampling_of
from dataflow.engine.columns import Column
from dataflow.serving.body import merge_sampling
from dataflow.serving.foreign import ForeignServing


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked for one column.

    Attributes:
        name: The column's name. It does not determine the answer: renamed, nothing is asked again.
        system: Sent as the system message; None for the one that all prompts share.
        question: Asked about every picture; None for the row's own conversation, or the default
            question where it has none.
        template: Makes the question of the row's fields, instead of `question`: a text with
            ``{column}`` places, or an object whose ``build_prompt(**fields)`` returns the text.
        n: Captions of each row; more than one make a list.
        sampling: Over the serving's own, by the names of the OpenAI protocol.

    Raises:
        UsageError: the template is none, there are both a question and a template, or `n` is
            below 1.
    """

    name: str
    _: KW_ONLY
    system: str | None = None
    question: str | None = None
    template: Any = None
    n: int = 1
    sampling: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.question is not None and self.template is not None:
            raise UsageError(f"{self.name!r} has a question and a template; give one of them")
        if isinstance(self.template, str):
            _check_template(self.template)
        Column(self.name, self.n)

    @property
    def column(self) -> Column:
        """The column that it fills."""
        return Column(self.name, self.n)


def check_prompts(prompts: Sequence[Prompt], serving: EngineServing) -> None:
    """Refuse what `serving` cannot do.

    Raises:
        UsageError: several captions of a row would be the same, or a sampling cannot be sent.
    """
    for prompt in prompts:
        if prompt.sampling and isinstance(serving, ForeignServing):
            raise UsageError(
                f"{prompt.name!r} has a sampling of its own, and {serving.model} cannot be told of "
                "it; leave it out"
            )
        merge_sampling(prompt.sampling)
        sampling = {**sampling_of(serving), **prompt.sampling}
        if prompt.n > 1 and sampling.get("temperature") == 0:
            raise UsageError(
                f"{prompt.name!r} is to hold {prompt.n} captions, and at temperature 0 they are "
                "all the same; give a higher temperature"
            )


def _check_template(template: str) -> None:
    cure = "a brace that is to be sent is written twice: {{ or }}"
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise UsageError(f"the template {template!r:.80} is none: {error}; {cure}") from None
    if wrong := [name for name in names if not name or name[0].isdigit() or name[0] in ".["]:
        raise UsageError(f"the template {template!r:.80}: {{{wrong[0]}}} names no column; {cure}")


# --- the file ----------------------------------------------------------------------------------


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _between(least: float, most: float) -> Callable[[object], bool]:
    def fits(value: object) -> bool:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and least <= value <= most  # type: ignore[operator]

    return fits


_KEYS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "system": ("a text", lambda value: isinstance(value, str)),
    "question": ("a text that is not empty", _text),
    "template": ("a text that is not empty", _text),
    "n": ("a whole number from 1", lambda value: _whole(value) and value >= 1),  # type: ignore[operator]
}
_SAMPLING: dict[str, tuple[str, Callable[[object], bool]]] = {
    "max_tokens": ("a whole number from 1", lambda value: _whole(value) and value >= 1),  # type: ignore[operator]
    "temperature": ("a number from 0 to 2", _between(0, 2)),
    "top_p": ("a number from 0 to 1", _between(0, 1)),
    "top_k": ("a whole number", _whole),
    "seed": ("a whole number", _whole),
}


def read_prompts(path: str | Path) -> tuple[Prompt, ...]:
    """The prompts that a TOML file (https://toml.io) names, in its order.

    Each is a table, called like its column, with any of the keys ``system``, ``question`` or
    ``template``, ``n``, ``max_tokens``, ``temperature``, ``top_p``, ``top_k`` and ``seed``.

    Raises:
        UsageError: the file cannot be read, is no TOML, or holds something else.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"the prompt file {path} cannot be read: {reason}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the prompt file {path} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the prompt file {path} is no TOML: {error}") from None
    if not found:
        raise UsageError(f"the prompt file {path} names no prompt; one begins with its [name]")
    return tuple(_prompt(name, value, str(path)) for name, value in found.items())


def _prompt(name: str, value: object, path: str) -> Prompt:
    if not isinstance(value, dict):
        raise UsageError(f"{path}: {name!r} is no prompt; one is a table, which begins with [name]")
    if not name.strip():
        raise UsageError(f"{path}: a prompt has an empty name, and its column is called so")
    known = _KEYS | _SAMPLING
    for key, given in value.items():
        if key not in known:
            raise UsageError(f"{path}, [{name}]: unknown key {key!r}; known are {', '.join(known)}")
        what, fits = known[key]
        if not fits(given):
            raise UsageError(f"{path}, [{name}]: {key} is {what}, not {given!r:.80}")
    own = {key: value[key] for key in _KEYS if key in value}
    sampling = {key: value[key] for key in _SAMPLING if key in value}
    try:
        return Prompt(name, **own, sampling=sampling)
    except UsageError as error:
        raise UsageError(f"{path}, [{name}]: {error.message}") from None
