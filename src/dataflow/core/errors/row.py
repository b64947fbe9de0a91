"""Errors of one row: it fails with this error, and the run continues."""

from __future__ import annotations

from dataflow.core.errors.base import DataflowError


class RowError(DataflowError):
    """This row cannot be captioned as it is; the others go on."""

    kind = "row"


class BadRowError(RowError):
    """The row lacks a picture, or its conversation has no readable shape."""

    kind = "bad_row"


class PictureError(RowError):
    """The row's picture cannot be had or decoded; no request was spent on it."""

    kind = "picture"


class PictureMissingError(PictureError):
    """No such file, or the URL answers that there is none."""

    kind = "picture_missing"


class PictureChangedError(PictureError):
    """The row or its picture changed while the run was under way."""

    kind = "changed"

    def __init__(
        self,
        message: str = "the row or its picture changed while the run was under way; run the same "
        "command again to caption it",
    ) -> None:
        super().__init__(message)


class PictureTooLargeError(PictureError):
    """The picture passes the limit on pixels, bytes or memory."""

    kind = "picture_too_large"


class PictureTooSlowError(PictureError):
    """The picture was not read, fetched or decoded within the time limit."""

    kind = "picture_too_slow"


class PictureForbiddenError(PictureError):
    """The reference points where data may not point: a private address, outside the image root."""

    kind = "picture_forbidden"


class RefusedError(RowError):
    """The engine's provider refused the picture or the answer (content policy)."""

    kind = "refused"


class TooLongError(RowError):
    """The request does not fit into the model's context.

    Args:
        message: As in `DataflowError`.
        is_adjustable: Whether the context is a setting of ours, so that a later run asks again.
    """

    kind = "too_long"
    is_adjustable: bool = False


class EngineDiedError(RowError):
    """The local engine died twice while this request was alone in it; others are not affected."""

    kind = "engine_died"


class BadRequestError(RowError):
    """The server rejects this row's request for another reason."""

    kind = "bad_request"


class ReasoningOnlyError(RowError):
    """The model's whole answer came as its reasoning, and none of it as the answer.

    How the server or the model is set up decides on this, so the same question is not asked again.
    """

    kind = "reasoning_only"


class ReplyTooLargeError(RowError):
    """The answer is longer than any caption."""

    kind = "reply_too_large"


class RejectedError(RowError):
    """A check turned the answer down; `kind` is the check's own word (`refusal`, `loop` …).

    Args:
        message: As in `DataflowError`.
        kind: The fault in one word.
    """

    kind = "rejected"


class EmptyCaptionError(RejectedError):
    """The engine answered, with no text."""

    kind = "empty"
