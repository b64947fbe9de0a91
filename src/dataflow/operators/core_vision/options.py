"""The keyword-only options of the operators: what is asked and checked, and how a run goes.

Each set stands twice in this file: as a frozen dataclass, which checks the values, and as a typed
dict, by which type checkers know the keywords of the operators. A test holds both together.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, get_args

from dataflow.core.errors import UsageError
from dataflow.core.errors.tracebacks import short_traceback
from dataflow.core.protocols.check import Check
from dataflow.core.protocols.serving import LLMServingABC
from dataflow.core.settings import (
    FROM_1,
    FUNCTION,
    PATH,
    SECONDS,
    SERVING,
    YES_NO,
    ValueRule,
    an_object,
    is_whole,
    list_of,
    number,
    one_of,
    take_all,
    value_text,
)
from dataflow.engine.flow.retry_policy import GIVE_UP_SECONDS
from dataflow.engine.quality.fault_alarm import SHARE
from dataflow.engine.quality.reject_policy import MAX_ASKS, ON_REJECT
from dataflow.images.base.limits import Limits
from dataflow.operators.core_vision.prompts import Prompt
from dataflow.operators.core_vision.structured import SchemaAs

if TYPE_CHECKING:
    from dataflow.operators.core_vision.preset import Preset

OnBadRow = Literal["fail", "skip", "stop"]
MissingPicture = Literal["fail", "ask"]

FORMER_NAMES: Mapping[str, str] = {
    "spread": "flatten",
    "fresh": "restart",
    "overwrite": "overwrite_column",
}
"""Former name of an option → its name today; both are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorOptions:
    """What an operator asks, and what its answers must be.

    Attributes:
        n: Captions of each row. More than one make a list, and need a temperature above 0.
        prompts: Asks several things about each picture, which is loaded once for all of them. Each
            prompt fills a column of its own name instead of the operator's output column.
            `read_prompts` reads them from a file.
        limits: What a picture may cost, how large it is sent, whether URLs may be private, and
            where fetched pictures are kept (`image_cache`).
        checks: What captions must pass besides being there, the surest first: each is a function
            of a text and its `CheckContext` that returns a `Verdict` or None. `checks_for` makes
            those of this package.
        on_reject: What becomes of a caption that a check rejects: ``"reask"`` asks again as
            helps, then flags the best answer; ``"reask-drop"`` and ``"reask-fail"`` then drop
            the row or fail it; ``"flag"``, ``"drop"`` and ``"fail"`` do that at once.
        max_asks: Asks of one caption at most, the first included.
        preset: What is asked, how it is sampled and checked: a preset's name, its file's path, or
            the `Preset`. The operator's own system prompt wins over the preset's.
        schema: The JSON Schema of captions that are JSON: a dict, a file's path, or the class of a
            pydantic model; see `Prompt`, also for the next two.
        flatten: Whether the properties of the answers become columns of their own.
        schema_as: How the model learns of the schema: ``"format"``, ``"prompt"`` or ``"both"``.
        strip_lead_in: Whether "Sure! Here is the caption:" and the like is cut off the start of an
            answer. The journal keeps the answer as it came; so for the next three.
        strip_lead_out: Whether "Let me know if you need more!" and the like is cut off its end.
        strip_thinking: Whether ``<think>…</think>``, and thoughts at the start, are cut off.
        repair: Whether talk and thoughts around the caption are cut off before the checks look.
        fallback: A second model, which gets the last ask of a caption that the checks reject.

    Raises:
        UsageError: a value is not what its option takes, or options contradict each other.
    """

    n: int = 1
    prompts: Sequence[Prompt] | None = None
    limits: Limits | None = None
    checks: Sequence[Check] | None = None
    on_reject: str = "reask"
    max_asks: int = MAX_ASKS
    preset: str | os.PathLike[str] | Preset | None = None
    schema: Any = None
    flatten: bool = False
    schema_as: SchemaAs = "format"
    strip_lead_in: bool = False
    strip_lead_out: bool = False
    strip_thinking: bool = False
    repair: bool = False
    fallback: LLMServingABC | None = None

    def __post_init__(self) -> None:
        _take(self, _OPERATOR_RULES)
        own = self.n != 1 or self.schema is not None or self.preset is not None
        if self.prompts is not None and (own or not self.prompts):
            raise UsageError("give at least one prompt, and in each its own n, preset and schema")


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRunOptions:
    """How an operator's run goes; the words are those of the command line.

    Attributes:
        overwrite_column: Whether columns of the output's names may be replaced; otherwise they are
            an error.
        meta: Whether a column ``<output>_meta`` is added, too, with status, finish reason,
            attempts, seconds, model, tokens and cost (US dollars) of each row.
        provenance: Whether a column ``<output>_provenance`` is, with the model, the prompt's
            SHA-256, the date and the author of each caption.
        limit: Take only this many rows from the start; None for all.
        restart: Set the journal aside and ask everything again.
        retry_failed: Ask again for rows that failed in an earlier run.
        on_bad_row: Whether a row that cannot be read stops the run (``"fail"``, formerly
            ``"stop"``) or is left out and counted (``"skip"``).
        on_missing_picture: What becomes of a row whose picture column is empty: it fails
            (``"fail"``), or its question is asked without a picture (``"ask"``). None stands for
            ``"ask"`` where each row brings its own question (`input_prompt_key`), else ``"fail"``.
        max_cost: US dollars that this run may spend at most; None for no limit.
        max_tokens_total: Tokens that this run may read and write at most; None for no limit.
        price_in: US dollars for a million tokens read; None for the price that is known.
        price_out: US dollars for a million tokens written.
        concurrency: Requests in flight at most; None for the serving's `max_workers`.
        rpm: Requests a minute at most; None for as many as the server takes.
        tpm: Tokens a minute at most; None for as many as the server takes.
        give_up_after: Seconds that a server which answered before may be down.
        only: Ask again only for these rows: a row's number as in the errors file, a picture's
            name, or a pattern of names. All other rows stay as they were written.
        fault_alarm: The share of the latest answers with one and the same fault that stops the
            run; ``"off"`` or None never stops it.
        fsync: Whether each commit waits for the disk, so that it survives a power cut.
        journal: For storages that are no files: the file that keeps every answer, so that the same
            call goes on after a failure. None keeps answers in memory.

    Raises:
        UsageError: a value is not what its option takes.
    """

    overwrite_column: bool = False
    meta: bool = False
    provenance: bool = False
    limit: int | None = None
    restart: bool = False
    retry_failed: bool = False
    on_bad_row: OnBadRow = "fail"
    on_missing_picture: MissingPicture | None = None
    max_cost: float | None = None
    max_tokens_total: int | None = None
    price_in: float | None = None
    price_out: float | None = None
    concurrency: int | None = None
    rpm: float | None = None
    tpm: float | None = None
    give_up_after: float = GIVE_UP_SECONDS
    only: Sequence[str | int] | None = None
    fault_alarm: float | Literal["off"] | None = SHARE
    fsync: bool = False
    journal: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        _take(self, _RUN_RULES)


class OperatorKeywords(TypedDict, total=False):
    """The keywords of `OperatorOptions`, for type checkers."""

    n: int
    prompts: Sequence[Prompt] | None
    limits: Limits | None
    checks: Sequence[Check] | None
    on_reject: str
    max_asks: int
    preset: str | os.PathLike[str] | Preset | None
    schema: Any
    flatten: bool
    schema_as: SchemaAs
    strip_lead_in: bool
    strip_lead_out: bool
    strip_thinking: bool
    repair: bool
    fallback: LLMServingABC | None
    spread: bool


class RunKeywords(TypedDict, total=False):
    """The keywords of `OperatorRunOptions`, for type checkers."""

    overwrite_column: bool
    meta: bool
    provenance: bool
    limit: int | None
    restart: bool
    retry_failed: bool
    on_bad_row: OnBadRow
    on_missing_picture: MissingPicture | None
    max_cost: float | None
    max_tokens_total: int | None
    price_in: float | None
    price_out: float | None
    concurrency: int | None
    rpm: float | None
    tpm: float | None
    give_up_after: float
    only: Sequence[str | int] | None
    fault_alarm: float | Literal["off"] | None
    fsync: bool
    journal: str | os.PathLike[str] | None
    fresh: bool
    overwrite: bool


# --- rules ---------------------------------------------------------------------------------------


_ROW = ValueRule("a row", lambda value: isinstance(value, str) or is_whole(value))
_MONEY, _SHARE = number(0), number(above=0, most=1)
_OPERATOR_RULES: Mapping[str, ValueRule] = {
    "n": FROM_1,
    "prompts": list_of(an_object(Prompt, "a Prompt"), "Prompt").or_none(),
    "limits": an_object(Limits, "a Limits").or_none(),
    "checks": list_of(FUNCTION, "functions of a text and its context").or_none(),
    "on_reject": one_of(ON_REJECT),
    "max_asks": FROM_1,
    "flatten": YES_NO,
    "schema_as": one_of(get_args(SchemaAs)),
    **dict.fromkeys(("strip_lead_in", "strip_lead_out", "strip_thinking", "repair"), YES_NO),
    "fallback": SERVING.or_none(),
}
_RUN_RULES: Mapping[str, ValueRule] = {
    "overwrite_column": YES_NO,
    "meta": YES_NO,
    "provenance": YES_NO,
    "limit": FROM_1.or_none(),
    "restart": YES_NO,
    "retry_failed": YES_NO,
    "on_bad_row": one_of(get_args(OnBadRow)),
    "on_missing_picture": one_of(get_args(MissingPicture)).or_none(),
    "max_cost": _MONEY.or_none(),
    "max_tokens_total": FROM_1.or_none(),
    "price_in": _MONEY.or_none(),
    "price_out": _MONEY.or_none(),
    "concurrency": FROM_1.or_none(),
    "rpm": SECONDS.or_none(),
    "tpm": SECONDS.or_none(),
    "give_up_after": SECONDS,
    "only": list_of(_ROW, "rows' numbers and pictures' names").or_none(),
    "fault_alarm": ValueRule(
        "a share above 0, up to 1, or off",
        lambda value: value in (None, "off") or _SHARE.fits(value),
        lambda value: None if value == "off" else value,
    ),
    "fsync": YES_NO,
    "journal": PATH.or_none(),
}


def _take(options: OperatorOptions | OperatorRunOptions, rules: Mapping[str, ValueRule]) -> None:
    given = {one.name: getattr(options, one.name) for one in fields(options)}
    for name, value in take_all(given, rules).items():
        object.__setattr__(options, name, value)


# --- keywords of a method ------------------------------------------------------------------------

Options = TypeVar("Options", OperatorOptions, OperatorRunOptions)
Method = TypeVar("Method", bound=Callable[..., Any])


def options_from(kind: type[Options], given: Mapping[str, Any], method: str) -> Options:
    """The options that the keywords of a call make.

    Args:
        kind: The options' class.
        given: The keywords.
        method: What was called, for messages.

    Raises:
        TypeError: there is no such keyword.
        UsageError: a value is not what its option takes.
    """
    known = [one.name for one in fields(kind)]
    found: dict[str, Any] = {}
    for name, value in given.items():
        today = FORMER_NAMES.get(name, name)
        if today not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}=?" if near else ""
            raise TypeError(f"{method}() takes no {name}={value_text(value)}{hint}")
        if today in found:
            former = next(old for old, new in FORMER_NAMES.items() if new == today)
            raise UsageError(f"{former} is the former name of {today}: give one of them")
        found[today] = value
    return kind(**found)


def takes(kind: type[OperatorOptions | OperatorRunOptions]) -> Callable[[Method], Method]:
    """Let `help()` and `inspect.signature` show the options of `kind` as keywords.

    What the method raises has a short traceback.
    """

    def named(method: Method) -> Method:
        shown = inspect.signature(method)
        own = [p for p in shown.parameters.values() if p.kind is not p.VAR_KEYWORD]
        more = [
            inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if one.default is MISSING else one.default,
                annotation=one.type,
            )
            for one in fields(kind)
        ]
        called = short_traceback(method)
        called.__signature__ = shown.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        return called

    return named
