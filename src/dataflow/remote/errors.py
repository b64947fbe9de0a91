"""What goes wrong at a store → one error in our own words.

The libraries' own words are not repeated: they may hold a signed URL, and they differ.
"""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from dataflow.core.resources import lack_of
from dataflow.remote.pure_path import PureRemotePath

T = TypeVar("T")

ATTEMPTS = 5
PAUSE = 0.5
"""Seconds before the second attempt, doubled before each later one."""

_CURES = {
    "s3": "check the bucket, the credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY) and, for a store that is not Amazon's, AWS_ENDPOINT_URL",
    "gs": "check the bucket and the credentials (GOOGLE_APPLICATION_CREDENTIALS)",
    "hf": "check the name, the network, and for a private repository HF_TOKEN",
    "http": "check the URL and the network",
}
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_CHANGED = 412
_DEEPEST = 10  # errors that are each other's cause


class RemoteError(OSError):
    """What a store does not give, take or say.

    Args:
        place: Where.
        reason: Why, in a few words.
        status: HTTP's status, where it is known.

    Attributes:
        status: As given.
        is_missing: There is nothing at that place.
        is_transient: Another attempt may succeed.
        cure: What a person should look at.
    """

    def __init__(self, place: PureRemotePath, reason: str, *, status: int | None = None) -> None:
        number = {404: errno.ENOENT, 403: errno.EACCES, 401: errno.EACCES}.get(status or 0)
        super().__init__(number or errno.EIO, reason, str(place))
        self.status = status
        self.is_missing = status == 404
        self.is_transient = status is None or status in _TRANSIENT
        self.cure = _CURES[place.scheme]


def changed(place: PureRemotePath) -> RemoteError:
    """The error that says that the file became another while it was read."""
    return RemoteError(
        place, "it changed while it was read; run the same command again", status=_CHANGED
    )


def with_retries(step: Callable[[], T]) -> T:
    """`step()`, tried again a few times where its `RemoteError` may pass.

    Raises:
        RemoteError: as `step` raised it last.
    """
    for attempt in range(ATTEMPTS - 1):
        try:
            return step()
        except RemoteError as error:  # noqa: PERF203 - that is the loop's purpose
            if not error.is_transient:
                raise
            time.sleep(PAUSE * 2**attempt)
    return step()


@contextlib.contextmanager
def map_errors(place: PureRemotePath) -> Iterator[None]:
    """The border to the stores' libraries, around what they are asked about `place`.

    Raises:
        RemoteError: for whatever they raise.
        StopRunError: the machine has no space for another connection.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each library has its own, and they share no root
        raise _as_ours(place, error) from None


def _as_ours(place: PureRemotePath, error: Exception) -> Exception:
    if isinstance(error, RemoteError):
        return error
    chain = list(_chain(error))
    for one in chain:
        if lack := lack_of(one):
            return lack
    status = next((found for one in chain if (found := _status(one)) is not None), None)
    if status == _CHANGED:
        return changed(place)
    if any(type(one).__name__ in ("NoCredentialsError", "RefreshError") for one in chain):
        return RemoteError(place, "there are no credentials", status=401)
    if status is None:
        # the root: what cannot be asked for is called missing, too
        status = _by_kind(chain[-1])
    return RemoteError(place, _reason(status, chain[-1]), status=status)


def _reason(status: int | None, error: BaseException) -> str:
    if status == 404:
        return "no such file or folder"
    if status in (401, 403):
        return f"the access is denied ({status})"
    if status is not None:
        return f"the server answers {status}"
    return f"it cannot be reached ({type(error).__name__})"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came from."""
    for _ in range(_DEEPEST):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _status(error: Any) -> int | None:
    """The HTTP status that an error of aiohttp, botocore, gcsfs or huggingface_hub bears."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        found = getattr(response, "status_code", None)
    for name in ("status", "code"):
        found = getattr(error, name, None) if found is None else found
    return found if isinstance(found, int) and 300 <= found < 600 else None


def _by_kind(error: BaseException) -> int | None:
    if isinstance(error, FileNotFoundError):
        return 404
    # gcsfs tells it by no other sign
    is_forbidden = isinstance(error, PermissionError) or str(error).startswith("Forbidden: ")
    return 403 if is_forbidden else None
