"""What is asked for each column of captions, and the file that says so."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, get_args

from dataflow.core.errors import UsageError
from dataflow.core.protocols.batch import BatchServing
from dataflow.core.protocols.check import Check
from dataflow.core.protocols.serving import AsyncServing, sampling_of
from dataflow.core.request import SendOptions
from dataflow.core.settings import (
    ANY_TEXT,
    FROM_1,
    FUNCTION,
    NAME,
    PATH,
    SAMPLING,
    TEXT,
    YES_NO,
    ValueRule,
    list_of,
    one_of,
    take_all,
)
from dataflow.engine.columns import Column
from dataflow.engine.quality.reject_policy import Refine
from dataflow.operators.core_vision.preset import is_path, preset_of
from dataflow.operators.core_vision.structured import SchemaAs, StructuredOutput, read_schema
from dataflow.operators.core_vision.toml_file import REQUEST_KEYS, read_toml, refuse_wrong
from dataflow.serving.openai.request_body import DETAILS, merge_sampling


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked for one column.

    Attributes:
        name: The column's name. It does not determine the answer: renamed, nothing is asked again.
        preset: Says what the fields below leave open: its name, its file's path, or itself. In the
            first two forms it is read.
        system: Sent as the system message; None for the preset's, or that which all prompts share.
        question: Asked about every picture; None for the preset's, or the row's own conversation,
            or the default question where it has none.
        template: Makes the question of the row's fields, instead of `question`: a text with
            ``{column}`` places, or an object whose ``build_prompt(**fields)`` returns the text.
        n: Captions of each row; more than one make a list.
        sampling: Over the preset's and the serving's own, by the names of the OpenAI protocol;
            None takes a field of the preset's away.
        detail: In how much detail the model looks at the pictures; empty for the preset's, or the
            serving's.
        stream: Whether its replies come in pieces; None for the preset's, or as the serving has it.
        header: More HTTP headers over the preset's; ``$NAME`` in a value stands for that
            environment variable.
        schema: The JSON Schema of answers that are JSON: a dict, a file's path, or a pydantic
            model's class. The column then holds what they say.
        flatten: Whether the answers' properties become columns of their own, in place of this one.
        schema_as: How the engine learns of the schema; see `structure.SchemaAs`.
        checks: What its answers have to pass in place of the run's checks; None for those of its
            schema or its preset, where it has one.
        refine: Make of its answers the captions, in place of the run's; None for the preset's.

    Raises:
        MissingPackageError: there is a schema, and `jsonschema` is not installed.
        UsageError: the template is none, there are both a question and a template, `n` is below 1,
            there is no such preset, or the schema is none or cannot be flattened.
    """

    name: str
    _: KW_ONLY
    preset: Any = None
    system: str | None = None
    question: str | None = None
    template: Any = None
    n: int = 1
    sampling: Mapping[str, Any] = field(default_factory=dict)
    detail: str = ""
    stream: bool | None = None
    header: Mapping[str, str] = field(default_factory=dict, repr=False)
    schema: Any = None
    flatten: bool = False
    schema_as: SchemaAs = "format"
    checks: Sequence[Check] | None = field(default=None, repr=False, compare=False)
    refine: Sequence[Refine] | None = field(default=None, repr=False, compare=False)
    structure: StructuredOutput | None = field(init=False, default=None, compare=False)

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in _FIELDS}
        for name, value in take_all(given, _FIELDS).items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "sampling", take_all(self.sampling, _SAMPLING))
        if self.question is not None and self.template is not None:
            raise UsageError(f"{self.name!r} has a question and a template; give one of them")
        if isinstance(self.template, str):
            _check_template(self.template)
        Column(self.name, self.n)
        if self.preset is not None:
            preset = preset_of(self.preset)
            object.__setattr__(self, "preset", preset)
            if self.refine is None:
                object.__setattr__(self, "refine", preset.refine)
        if self.schema is not None:
            found = StructuredOutput(
                schema=read_schema(self.schema), flatten=self.flatten, schema_as=self.schema_as
            )
            object.__setattr__(self, "structure", found)
        elif self.flatten or self.schema_as != "format":
            raise UsageError("flatten and schema_as are about answers with a schema; give one")
        if self.checks is None:
            object.__setattr__(self, "checks", self._checks())

    def _checks(self) -> Sequence[Check] | None:
        if self.structure is not None:
            return self.structure.checks
        return None if self.preset is None else self.preset.made_checks()

    @property
    def column(self) -> Column:
        """The column that it fills."""
        reading = None if self.structure is None else self.structure.reading(self.name)
        return Column(self.name, self.n, reading)

    @property
    def wording(self) -> str:
        """All that it asks, in one text for people and for digests."""
        parts = (self.sent_system, self.sent_question, self.template)
        return " ".join(str(part) for part in parts if part)

    @property
    def sent_system(self) -> str | None:
        """The system message, its own or its preset's."""
        return self.preset.system if self.system is None and self.preset else self.system

    @property
    def sent_question(self) -> str | None:
        """The question, its own or its preset's; None where the row has it."""
        is_open = self.question is None and self.template is None
        return self.preset.question if is_open and self.preset else self.question

    @property
    def sent_sampling(self) -> Mapping[str, Any]:
        """Its sampling over its preset's, with what is sent for its schema."""
        if self.preset is None and self.structure is None:
            return self.sampling
        below = self.preset.sampling if self.preset else {}
        merged = {**below, **self.sampling, **(self.structure.sampling if self.structure else {})}
        return {name: value for name, value in merged.items() if value is not None}

    @property
    def sent_options(self) -> SendOptions:
        """How its requests are sent.

        Raises:
            UsageError: a header is none, or names a variable that is not set.
        """
        from dataflow.serving.openai.transport.credentials import credentials

        preset = self.preset
        stream = self.stream if self.stream is not None or preset is None else preset.stream
        header = {**(preset.header if preset else {}), **self.header}
        return SendOptions(
            self.detail or (preset.detail if preset else ""),
            stream,
            credentials(None, headers=header).headers if header else {},
        )

    @property
    def droppable(self) -> frozenset[str]:
        """The fields of `sent_sampling` that are its preset's or its schema's, not the user's."""
        below = set(self.preset.sampling) if self.preset else set()
        below |= set(self.structure.sampling) if self.structure else set()
        below |= {"detail"} if not self.detail and self.preset and self.preset.detail else set()
        return frozenset(below - set(self.sampling))


def check_prompts(prompts: Sequence[Prompt], serving: AsyncServing) -> None:
    """Refuse what `serving` cannot do.

    Raises:
        UsageError: several captions of a row would be the same, or a sampling cannot be sent.
    """
    from dataflow.serving.adapter import ServingAdapter

    for prompt in prompts:
        is_foreign = isinstance(serving, ServingAdapter)
        if is_foreign and prompt.sent_sampling.keys() == {"response_format"}:
            raise UsageError(
                f"{prompt.name!r} has a schema, and {serving.model} cannot be told of it but in "
                'the question: give schema_as="prompt"'
            )
        if is_foreign and prompt.sent_sampling:
            raise UsageError(
                f"{prompt.name!r} has a sampling of its own, and {serving.model} cannot be told of "
                "it; leave it out (a field of a preset by None: sampling={'max_tokens': None})"
            )
        _check_sending(prompt, serving)
        merge_sampling(prompt.sent_sampling)
        sampling = {**sampling_of(serving), **prompt.sent_sampling}
        if prompt.n > 1 and sampling.get("temperature") == 0:
            raise UsageError(
                f"{prompt.name!r} is to hold {prompt.n} captions, and at temperature 0 they are "
                "all the same; give a higher temperature"
            )


def _check_sending(prompt: Prompt, serving: AsyncServing) -> None:
    from dataflow.serving.adapter import ServingAdapter

    options = prompt.sent_options
    if isinstance(serving, ServingAdapter) and options != SendOptions():
        raise UsageError(
            f"{prompt.name!r} has a detail, a stream or a header of its own, which are for an API, "
            f"and {serving.model} cannot be told of them; leave them out"
        )
    if isinstance(serving, BatchServing) and options.headers:
        raise UsageError(
            f"{prompt.name!r} has headers of its own, and the requests of a batch have none: give "
            "them for all with --header, or leave them out"
        )


def presets_of(prompts: Sequence[Prompt]) -> dict[str, str]:
    """By which presets `prompts` ask: column → name and version."""
    return {prompt.name: prompt.preset.label for prompt in prompts if prompt.preset}


_FIELDS: Mapping[str, ValueRule] = {
    "name": NAME,
    "system": ANY_TEXT.or_none(),
    "question": ANY_TEXT.or_none(),
    "template": ValueRule(
        "a text with {column} places, or an object with build_prompt() (prompt_template)",
        lambda value: isinstance(value, str) or _builds_prompts(value),
    ).or_none(),
    "n": FROM_1,
    "sampling": ValueRule("a dict", lambda value: isinstance(value, Mapping)),
    "flatten": YES_NO,
    "schema_as": one_of(get_args(SchemaAs)),
    "detail": one_of(("", *DETAILS)),
    "stream": YES_NO.or_none(),
    "header": ValueRule("a dict", lambda value: isinstance(value, Mapping)),
    **dict.fromkeys(("checks", "refine"), list_of(FUNCTION, "functions").or_none()),
}
_SAMPLING = {name: rule.or_none() for name, rule in SAMPLING.items()}


def _builds_prompts(value: object) -> bool:
    return not isinstance(value, type) and callable(getattr(value, "build_prompt", None))


def _check_template(template: str) -> None:
    cure = "a brace that is to be sent is written twice: {{ or }}"
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise UsageError(f"the template {template!r:.80} is none: {error}; {cure}") from None
    if wrong := [name for name in names if not name or name[0].isdigit() or name[0] in ".["]:
        raise UsageError(f"the template {template!r:.80}: {{{wrong[0]}}} names no column; {cure}")


# --- the file ----------------------------------------------------------------------------------

_KEYS: dict[str, ValueRule] = {
    "preset": ValueRule("the name or the path of a preset", TEXT.fits),
    "system": ANY_TEXT,
    "question": TEXT,
    "template": TEXT,
    "n": FROM_1,
    "schema": ValueRule("the path of a JSON Schema", TEXT.fits),
    "flatten": YES_NO,
    "schema_as": one_of(get_args(SchemaAs)),
}
_TODAY = {"spread": "flatten"}
"""Former name of a key → its name today."""


def read_prompts(path: str | Path) -> tuple[Prompt, ...]:
    """The prompts that a TOML file (https://toml.io) names, in its order.

    Each is a table, called like its column, with any of the keys ``preset`` (a name, or a path from
    the file's folder), ``system``, ``question`` or ``template``, ``n``, ``max_tokens``,
    ``temperature``, ``top_p``, ``top_k``, ``seed``, ``schema`` (a path from the file's folder),
    ``flatten``, ``schema_as``, ``stream``, ``detail``. Further fields of the request stand below
    ``body`` (``body.enable_thinking = false``), further headers below ``header``.

    Raises:
        UsageError: the file cannot be read, is no TOML, or holds something else.
    """
    path = Path(PATH.take("path", path))
    _, found = read_toml(path, "prompt file")
    if not found:
        raise UsageError(f"the prompt file {path} names no prompt; one begins with its [name]")
    return tuple(_prompt(name, value, path) for name, value in found.items())


def _prompt(name: str, value: object, path: Path) -> Prompt:
    if not isinstance(value, dict):
        raise UsageError(f"{path}: {name!r} is no prompt; one is a table, which begins with [name]")
    if not name.strip():
        raise UsageError(f"{path}: a prompt has an empty name, and its column is called so")
    value = {_TODAY.get(str(key), str(key)): one for key, one in value.items()}
    refuse_wrong(value, {**_KEYS, **SAMPLING, **REQUEST_KEYS}, f"{path}, [{name}]")
    own = {key: value[key] for key in (*_KEYS, "stream", "detail", "header") if key in value}
    body = value.get("body", {})
    for key in ("schema", "preset"):
        if key in own and (key == "schema" or is_path(own[key])):
            own[key] = path.parent / own[key]
    sampling = {**{key: value[key] for key in SAMPLING if key in value}, **body}
    try:
        return Prompt(name, **own, sampling=sampling)
    except UsageError as error:
        raise UsageError(f"{path}, [{name}]: {error.message}") from None
