"""Everything that can go wrong, as one tree branched by who must act.

* `RowError`: the row itself cannot be captioned; it fails with this error and the run goes on.
* `TryAgainError`: time may cure it; the same request is worth another attempt.
* `StopRunError`: a person must act; the run stops, and everything done so far is kept.

An error carries fields, not only prose, so that a journal or an errors file can hold it, and it
survives pickling. Errors of other libraries become these at the border where they are met.
"""

from __future__ import annotations

from dataflow.core.errors.base import (
    DataflowError,
)
from dataflow.core.errors.named import (
    error_named,
)
from dataflow.core.errors.retryable import (
    AskTimeoutError,
    ConnectionLostError,
    GarbledReplyError,
    OverloadedError,
    RateLimitedError,
    TryAgainError,
)
from dataflow.core.errors.row import (
    BadRequestError,
    BadRowError,
    EmptyCaptionError,
    EngineDiedError,
    PictureChangedError,
    PictureError,
    PictureForbiddenError,
    PictureMissingError,
    PictureTooLargeError,
    PictureTooSlowError,
    ReasoningOnlyError,
    RefusedError,
    RejectedError,
    ReplyTooLargeError,
    RowError,
    TooLongError,
)
from dataflow.core.errors.stop import (
    AccountPolicyError,
    EngineFailedError,
    FaultAlarmError,
    InputError,
    JournalError,
    LimitReachedError,
    MissingPackageError,
    NothingCaptionedError,
    NoVisionError,
    OutOfMoneyError,
    OutputError,
    ParameterError,
    ProxyError,
    QuotaError,
    ReplyReuseError,
    RunStoppedError,
    ServingContractError,
    StopRunError,
    UnderWayError,
    UnknownModelError,
    UnreachableError,
    UsageError,
    WrongAddressError,
    WrongKeyError,
)
from dataflow_caption import require_whole

require_whole()  # here, for every module needs errors, and no other distribution has this one

__all__ = [
    "AccountPolicyError",
    "AskTimeoutError",
    "BadRequestError",
    "BadRowError",
    "ConnectionLostError",
    "DataflowError",
    "EmptyCaptionError",
    "EngineDiedError",
    "EngineFailedError",
    "FaultAlarmError",
    "GarbledReplyError",
    "InputError",
    "JournalError",
    "LimitReachedError",
    "MissingPackageError",
    "NoVisionError",
    "NothingCaptionedError",
    "OutOfMoneyError",
    "OutputError",
    "OverloadedError",
    "ParameterError",
    "PictureChangedError",
    "PictureError",
    "PictureForbiddenError",
    "PictureMissingError",
    "PictureTooLargeError",
    "PictureTooSlowError",
    "ProxyError",
    "QuotaError",
    "RateLimitedError",
    "ReasoningOnlyError",
    "RefusedError",
    "RejectedError",
    "ReplyReuseError",
    "ReplyTooLargeError",
    "RowError",
    "RunStoppedError",
    "ServingContractError",
    "StopRunError",
    "TooLongError",
    "TryAgainError",
    "UnderWayError",
    "UnknownModelError",
    "UnreachableError",
    "UsageError",
    "WrongAddressError",
    "WrongKeyError",
    "error_named",
]
