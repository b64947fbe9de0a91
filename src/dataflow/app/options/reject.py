"""Options: what happens to a caption that fails a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeAlias

from dataflow.app.options.option import Option, Options

OnReject: TypeAlias = Literal["reask", "reask-drop", "reask-fail", "flag", "drop", "fail"]
"""What to do with a caption that fails a check."""


@dataclass(frozen=True, kw_only=True)
class RejectOptions(Options):
    """What happens to a caption that fails a check."""

    GROUP: ClassVar[str] = "Failed checks"

    on_reject: Annotated[
        OnReject,
        Option(
            "reask asks again in a way that helps, and then flags, drops or fails the best answer; "
            "flag, drop and fail do so at once. A flagged caption is kept and listed in the errors "
            "file; a dropped row is left out; a failed row has no caption. Refusals, error "
            "messages and empty answers are never kept as captions.",
            default="reask, then flag",
        ),
    ] = "reask"
    no_checks: Annotated[bool, Option("Reject nothing but empty answers.")] = False


@dataclass(frozen=True, kw_only=True)
class ReaskOptions(Options):
    """How a rejected caption is asked for again, and what is cut off a caption."""

    GROUP: ClassVar[str] = "Failed checks"

    max_asks: Annotated[
        int,
        Option(
            "How often one caption is asked for at most, the first time included.",
            metavar="N",
            least=1,
            most=100,
        ),
    ] = 3
    fallback_model: Annotated[
        str | None,
        Option("A second model that gets the last ask of a rejected caption.", metavar="MODEL"),
    ] = None
    fallback_api_url: Annotated[
        str | None,
        Option("The API of the fallback model.", metavar="URL", default="the one --api-url"),
    ] = None
    fallback_key_env: Annotated[
        str | None,
        Option(
            "The environment variable that holds the API key of the fallback model.",
            metavar="VAR",
            default="the variable of --key-env",
        ),
    ] = None
    fallback_price_in: Annotated[
        float | None,
        Option(
            "US dollars per million input tokens of the fallback model, if not listed.",
            metavar="DOLLARS",
            least=0.0,
        ),
    ] = None
    fallback_price_out: Annotated[
        float | None,
        Option(
            "US dollars per million output tokens of the fallback model.",
            metavar="DOLLARS",
            least=0.0,
        ),
    ] = None
    strip_lead_in: Annotated[
        bool,
        Option(
            "Cut 'Sure! Here is the caption:', 'The image shows' and the like off the start of a "
            "caption. The journal keeps the answer as it came.",
        ),
    ] = False
    strip_lead_out: Annotated[
        bool,
        Option(
            "Cut 'Let me know if you need more detail!' and the like off the end of a caption. The "
            "journal keeps the answer as it came.",
        ),
    ] = False
    strip_thinking: Annotated[
        bool,
        Option(
            "Cut <think>…</think>, and thoughts without tags at the start, off a caption. The "
            "journal keeps the answer as it came.",
        ),
    ] = False
    repair: Annotated[
        bool,
        Option(
            "Cut thoughts and talk around the caption off before the checks look, so that only "
            "what is still faulty is asked again. The journal keeps the answer as it came.",
        ),
    ] = False
