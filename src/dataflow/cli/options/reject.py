"""What becomes of a caption that a check turns down."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, ClassVar

import typer


class OnReject(str, Enum):
    """What to do about a caption that a check turns down."""

    reask = "reask"
    reask_drop = "reask-drop"
    reask_fail = "reask-fail"
    flag = "flag"
    drop = "drop"
    fail = "fail"


@dataclass(frozen=True, kw_only=True)
class RejectOptions:
    """What becomes of a caption that a check turns down."""

    PANEL: ClassVar[str] = "What becomes of a caption that is turned down"

    on_reject: Annotated[
        OnReject,
        typer.Option(
            help="Ask again in a way that helps, then flag, drop or fail the best answer; or do "
            "that at once. A flagged caption is kept and listed in the errors file; a dropped row "
            "is left out; a failed one has no caption. Refusals, errors' messages and empty "
            "answers are never kept as captions.",
            show_default="reask, then flag",
        ),
    ] = OnReject.reask
    no_checks: Annotated[
        bool, typer.Option("--no-checks", help="Turn down nothing but empty answers.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class ReaskOptions:
    """How a caption that a check turns down is asked for again, and what is taken off one."""

    PANEL: ClassVar[str] = "What becomes of a caption that is turned down"

    max_asks: Annotated[
        int, typer.Option(min=1, max=100, help="Asks of one caption in all, where it asks again.")
    ] = 3
    fallback_model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="The last of several asks goes to this model."),
    ] = None
    fallback_api_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where it is.", show_default="the one --api-url"),
    ] = None
    fallback_key_env: Annotated[
        str | None,
        typer.Option(
            metavar="VAR",
            help="The environment variable that holds its API key.",
            show_default="that of the model",
        ),
    ] = None
    strip_lead_in: Annotated[
        bool,
        typer.Option(
            "--strip-lead-in",
            help="Take 'The image shows' and the like off a caption's beginning. The answer as it "
            "came stays in the journal.",
        ),
    ] = False
    strip_thinking: Annotated[
        bool,
        typer.Option("--strip-thinking", help="Take <think>…</think> off a caption; likewise."),
    ] = False
