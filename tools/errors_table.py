"""The tables of `docs/errors.md`: from the errors' classes, the policy, and the hostile server.

What a person can do about each kind stands here; everything else comes from the code.
"""

from __future__ import annotations

from tests.servers.hostile_faults import FAULTS
from tests.serving.outcomes import OUTCOMES

from dataflow.cli.shell.exit_codes import code_of_kind
from dataflow.core import errors
from dataflow.core.request import Reply
from dataflow.engine.flow import retry_policy
from dataflow.engine.quality.reject_policy import MAX_ASKS

WHO = ((errors.RowError, "the row"), (errors.TryAgainError, "time"), (errors.StopRunError, "you"))

CURES: dict[type[errors.DataflowError], str] = {
    errors.BadRowError: "mend the row, or leave it out",
    errors.PictureError: "mend or replace the picture",
    errors.PictureMissingError: "put the file where the row says, or mend the path or URL",
    errors.PictureChangedError: "run the same command again",
    errors.PictureTooLargeError: "shrink the picture, or raise the limit that the message names",
    errors.PictureTooSlowError: "run the same command again; look at the host or disk it lies on",
    errors.PictureForbiddenError: "`--allow-private-urls`, or another `--image-root`, if you trust "
    "the data",
    errors.RefusedError: "another prompt or another model, then `--retry-failed`",
    errors.TooLongError: "a smaller `--max-side`, a shorter conversation, or a model with a longer "
    "context; then `--retry-failed`",
    errors.EngineDiedError: "look at this picture; then `--retry-failed`",
    errors.BadRequestError: "read the message: the server says what it does not take",
    errors.ReasoningOnlyError: "turn the model's thinking off (`--body …`), or the server's "
    "reasoning parser; then `--retry-failed`",
    errors.ReplyTooLargeError: "set `--max-tokens`; then `--retry-failed`",
    errors.RejectedError: "another prompt or another model; then `--retry-failed`",
    errors.EmptyCaptionError: "more `--max-tokens`, or another prompt; then `--retry-failed`",
    errors.RateLimitedError: "nothing; a smaller `--concurrency` wastes fewer requests",
    errors.OverloadedError: "nothing; a smaller `--concurrency` is kinder to the server",
    errors.AskTimeoutError: "a faster server, fewer `--max-tokens` or a smaller `--concurrency`",
    errors.ConnectionLostError: "look at the network and the server's log if it stays",
    errors.GarbledReplyError: "is the URL that of the API, and not of a web page or a proxy?",
    errors.StopRunError: "read the message: it names the cure",
    errors.WrongKeyError: "set the right key",
    errors.UnknownModelError: "give a name that the server, the hub or the disk knows",
    errors.OutOfMoneyError: "top up the account",
    errors.ParameterError: "leave the parameter out, give another value, or `--drop-params`",
    errors.NoVisionError: "choose a model that sees pictures, or give the server its projector",
    errors.AccountPolicyError: "change the account's settings, or agree to the provider's terms",
    errors.WrongAddressError: "give the API's own URL; most end in `/v1`",
    errors.ProxyError: "mend HTTPS_PROXY, or name the server in NO_PROXY",
    errors.QuotaError: "run the same command again at the time in the message, or wait for it "
    "with `--give-up-after`",
    errors.RunStoppedError: "run the same command again to resume",
    errors.LimitReachedError: "run it again, which goes on under a limit of its own, or raise the "
    "limit",
    errors.QuotaError: "run it again at the time that the message names, or let it wait "
    "(`--give-up-after`)",
    errors.FaultAlarmError: "mend or restart the engine; or `--fault-alarm off`",
    errors.ReplyReuseError: "turn the gateway's response cache off",
    errors.RunStoppedError: "run it again, which continues where it stopped",
    errors.UnreachableError: "start the server, or give its right address",
    errors.EngineFailedError: "read the engine's own reason in the message",
    errors.ServingContractError: "mend the serving",
    errors.InputError: "mend the dataset at the place that the message names",
    errors.OutputError: "make room, or choose a folder that can be written",
    errors.NothingCaptionedError: "mend what the message names, then run it again",
    errors.JournalError: "make room, or choose a folder that can be written",
    errors.UnderWayError: "run the same command again later",
    errors.UsageError: "mend the command",
    errors.MissingPackageError: "run the command that the message names",
}


def kind_table() -> str:
    """One line for each kind of error."""
    lines = [
        "| kind and class | meaning | who must act | the tool | you |",
        "|---|---|---|---|---|",
    ]
    for branch, who in WHO:
        for kind in vars(errors).values():
            is_named = kind is not branch or kind is errors.StopRunError
            if isinstance(kind, type) and issubclass(kind, branch) and is_named:
                meaning = (kind.__doc__ or "").strip().partition("\n")[0]
                cells = (f"`{kind.kind}` `{kind.__name__}`", meaning, who, does(kind), CURES[kind])
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def does(kind: type[errors.DataflowError]) -> str:
    """What the tool does about this kind of error."""
    if issubclass(kind, errors.UsageError):
        return f"does not start, exit status {code_of_kind(kind)}"
    if issubclass(kind, errors.StopRunError):
        return f"stops, exit status {code_of_kind(kind)}; what is done is kept"
    if issubclass(kind, errors.TryAgainError):
        return retries(kind)
    if issubclass(kind, errors.RejectedError):
        return (
            f"asks up to {MAX_ASKS} times, changed by what was wrong; then keeps the best answer, "
            "flagged, or fails the row ([checks](checks.md)); asks again only with `--retry-failed`"
        )
    if kind is errors.BadRequestError:
        return (
            "fails the row, goes on, and a later run asks again; stops where all of the first rows "
            "get it"
        )
    if issubclass(kind, (errors.PictureError, errors.BadRowError)):
        return "fails the row, goes on; a later run looks again where no request was spent"
    return "fails the row, goes on; asks again only with `--retry-failed`"


def retries(kind: type[errors.TryAgainError]) -> str:
    """How often a passing failure is tried again, from the policy."""
    rule = retry_policy.rule_for(kind("", retry_after=None))
    text = (
        f"asks up to {rule.attempts} times within {rule.seconds / 60:.0f} min, waits up to "
        f"{rule.cap:g} s between"
    )
    if issubclass(kind, retry_policy.BREAKER_ERRORS):
        text += f"; {retry_policy.BREAKER_ROWS} rows without an answer between them pause the run"
    return f"{text}; then fails the row, and a later run asks again"


def fault_table() -> str:
    """One line for each thing that the hostile server does, and what comes of it."""
    lines = ["| the server sends | kind | who must act |", "|---|---|---|"]
    for name, fault in FAULTS.items():
        lines.append(f"| {fault.what} | {' | '.join(outcome(name))} |")
    return "\n".join(lines)


def outcome(name: str) -> tuple[str, str]:
    """The kind of the fault called `name`, and who must act."""
    kind = OUTCOMES[name]
    if name == "null_content":  # a reply, and no caption: the check of empty captions
        kind = errors.EmptyCaptionError
    if kind is Reply:
        return "a caption", "–"
    assert issubclass(kind, errors.DataflowError)  # noqa: S101 - there are two branches
    return f"`{kind.kind}`", next(who for branch, who in WHO if issubclass(kind, branch))
