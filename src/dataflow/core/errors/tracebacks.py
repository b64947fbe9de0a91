"""Tracebacks as a caller wants them: the call, the caller's own code, our last frame."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar

Error = TypeVar("Error", bound=BaseException)
Function = TypeVar("Function", bound=Callable[..., Any])

_OURS = "dataflow"
_KEPT = 1
"""Last frames of this package that stay, beside that of the function which was called."""

_LIBRARIES = frozenset(sys.stdlib_module_names) | {
    *("aiohttp", "aiohttp_socks", "aiosignal", "yarl", "click", "rich", "orjson", "pybase64"),
    *("PIL", "pyarrow", "fsspec", "s3fs", "gcsfs", "aiobotocore", "botocore", "datasets"),
    *("huggingface_hub", "httpx", "xllamacpp", "jsonschema", "genai_prices"),
}
"""Top-level modules whose frames count only where the caller's own code calls them."""


def short_traceback(function: Function) -> Function:
    """Let what `function` raises have a `shortened` traceback."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - it is raised again
            raise shortened(error) from error.__cause__

    return call  # type: ignore[return-value]


def shortened(error: Error) -> Error:
    """`error` with a traceback and a chain of causes without the insides of a run.

    Frames of other people's code stay, such as those of a caller's own serving or check, with the
    library frames below them. Of this package's the last stays. Of the causes those stay whose
    tracebacks lead through other people's code. To be raised by whoever calls this, whose own frame
    is left out here.
    """
    causes = list(_causes(error))
    frames = list(_frames(error.__traceback__))[1:]
    error.__traceback__ = _joined(_worth_showing(frames))
    last: BaseException = error
    for cause in causes:
        frames = list(_frames(cause.__traceback__))
        if any(map(_is_foreign, frames)):
            cause.__traceback__ = _joined(_worth_showing(frames))
            last.__cause__ = cause
            last = cause
    last.__cause__ = None  # which hides the context, too
    return error


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen, cause = {id(error)}, _next_cause(error)
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = _next_cause(cause)


def _next_cause(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _worth_showing(frames: list[TracebackType]) -> list[TracebackType]:
    last_ours = [frame for frame in frames if _module(frame) == _OURS][-_KEPT:]
    kept, is_below_foreign = [], False
    for frame in frames:
        if _is_foreign(frame):
            is_below_foreign = True
        elif _module(frame) == _OURS:
            is_below_foreign = False
        if is_below_foreign or frame in last_ours:
            kept.append(frame)
    return kept


def _is_foreign(frame: TracebackType) -> bool:
    return _module(frame) != _OURS and _module(frame) not in _LIBRARIES


def _module(frame: TracebackType) -> str:
    return str(frame.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _joined(frames: list[TracebackType]) -> TracebackType | None:
    joined: TracebackType | None = None
    for one in reversed(frames):
        joined = TracebackType(joined, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return joined
