"""What is asked of object stores and web servers. fsspec is met here.

fsspec (https://filesystem-spec.readthedocs.io) gives each kind of store the same methods; s3fs,
gcsfs and huggingface_hub bring them. Who we are is told by each store's own variables and files.
"""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.core.errors import MissingPackageError, UsageError
from dataflow.remote.errors import RemoteError, map_errors, with_retries
from dataflow.remote.pure_path import PureRemotePath

CONNECTIONS = 64
"""To one store at once, at most."""

_PART = 8 << 20  # bytes of an upload's part; ten are sent at once
_MOST_PARTS = 9_000  # S3 takes 10,000
_EXISTS = (409, 412)  # S3 answers 409 while another such request is under way
_UNCONDITIONAL = (400, 501)  # stores that do not know conditions
_VERSIONS = ("ETag", "etag", "generation", "blob_id", "LastModified", "mtime", "updated")
_PACKAGES = {"s3": ("s3fs", "s3"), "gs": ("gcsfs", "gs"), "hf": ("huggingface_hub", "hf")}
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {
        "use_listings_cache": False,
        "config_kwargs": {"max_pool_connections": CONNECTIONS},
    },
    "gs": {"use_listings_cache": False},
    "hf": {},
}


@dataclass(frozen=True, slots=True)
class RemoteStat:
    """What is known of a file without reading it.

    Attributes:
        st_size: Bytes; -1 where the server does not tell.
        version: Changes when the contents do (ETag, generation, time); empty where there is none.
        has_ranges: Whether parts of it can be read.
    """

    st_size: int
    version: str
    has_ranges: bool


# Unless this variable says no, gcsfs asks for each bucket's type; who may not ask, such as those
# without credentials, would wait and be warned at every request. Only zonal buckets need it.
_TYPED_BUCKETS = "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"


@functools.cache
def filesystem(scheme: str) -> Any:
    """The fsspec file system for `scheme`.

    Raises:
        MissingPackageError: its package is not installed.
    """
    package, extra = _PACKAGES.get(scheme, ("fsspec", "http"))
    try:
        import fsspec

        options = _web() if scheme == "http" else dict(_OPTIONS[scheme])
        if scheme == "s3" and _is_nobody():
            options["anon"] = True
        if scheme == "gs":
            # what it writes there, page by page, it raises too
            logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
        if scheme == "gs" and _TYPED_BUCKETS not in os.environ:
            import gcsfs.core

            return gcsfs.core.GCSFileSystem(**options)
        return fsspec.filesystem(scheme, **options)
    except ImportError:
        raise MissingPackageError(
            f"{scheme}:// needs the package {package}: pip install 'dataflow-caption[{extra}]'"
        ) from None


def _web() -> dict[str, Any]:
    import aiohttp

    # a file may take hours; a server that says nothing for a minute is gone
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
    headers = {"Accept-Encoding": "identity"}
    return {"client_kwargs": {"timeout": timeout, "trust_env": True, "headers": headers}}


def _is_nobody() -> bool:
    """Whether there are no credentials of AWS: then only public buckets can be read.

    Raises:
        UsageError: AWS_PROFILE names a profile that is not there, or the files cannot be read.
    """
    from botocore.exceptions import BotoCoreError
    from botocore.session import get_session

    try:
        return get_session().get_credentials() is None
    except BotoCoreError as error:
        profile = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
        if profile:
            raise UsageError(
                f"AWS_PROFILE names the profile {profile!r}, which cannot be used: {error}; name "
                "another one, or unset AWS_PROFILE"
            ) from None
        raise UsageError(
            f"the credentials of AWS cannot be read: {error}; mend AWS_CONFIG_FILE or "
            "AWS_SHARED_CREDENTIALS_FILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None


def address(place: PureRemotePath) -> str:
    """`place` as its file system names it."""
    name: str = filesystem(place.scheme)._strip_protocol(place.url)
    return name


def ask(place: PureRemotePath, method: str, *arguments: Any, **options: Any) -> Any:
    """Call `method` of the file system with the address of `place` and more; also a few times.

    Raises:
        RemoteError: the store does not answer, or says no.
        MissingPackageError: its package is not installed.
    """
    system = filesystem(place.scheme)

    def once() -> Any:
        with map_errors(place):
            return getattr(system, method)(address(place), *arguments, **options)

    # gcsfs tries six times by itself, for a minute
    return once() if place.scheme == "gs" else with_retries(once)


def stat(place: PureRemotePath) -> RemoteStat:
    """What the store knows of the file at `place`, asked anew.

    Raises:
        RemoteError: there is none, or it cannot be asked.
    """
    if place.scheme == "hf":
        filesystem("hf").invalidate_cache()
    found = ask(place, "info")
    size = found.get("size")
    version = next((str(found[name]) for name in _VERSIONS if found.get(name)), "")
    has_ranges = size is not None and found.get("partial", True)
    return RemoteStat(-1 if size is None else size, version, has_ranges)


def kind_at(place: PureRemotePath) -> str | None:
    """``"file"``, ``"directory"``, or None for nothing.

    Raises:
        RemoteError: the store does not answer, or does not let us look.
    """
    try:
        kind: str = ask(place, "info")["type"]
    except RemoteError as error:
        if error.is_missing:
            return None
        raise
    return kind


def names_in(folder: PureRemotePath) -> list[str]:
    """The names in a folder; a sub-folder's ends with ``/``.

    Objects whose names go on with an empty part (``folder//a/b.jpg``), which no folder stands for,
    are listed with all their parts (``/a/b.jpg``).

    Raises:
        RemoteError: there is none, or it cannot be listed.
    """
    own = address(folder).rstrip("/")
    names = []
    for entry in ask(folder, "ls", detail=True):
        name = entry["name"].rstrip("/")
        is_folder = entry["type"] == "directory"
        if name == own and is_folder:
            names += _names_below_empty_part(folder, own)
        if name != own:  # some tools mark a folder by an empty file
            names.append(name.rpartition("/")[2] + "/" * is_folder)
    return names


def _names_below_empty_part(folder: PureRemotePath, own: str) -> list[str]:
    """The objects whose names begin with `own` and two slashes, as seen from `own`."""
    from fsspec.asyn import sync

    system = filesystem(folder.scheme)

    def once() -> list[dict[str, Any]]:
        with map_errors(folder):
            if folder.scheme == "s3":
                return list(sync(system.loop, system._lsdir, own, delimiter="", prefix="/"))
            listed = sync(system.loop, system._do_list_objects, own, delimiter="", prefix="/")
            return list(listed[0])

    found = with_retries(once)
    return [entry["name"][len(own) + 1 :] for entry in found if not entry["name"].endswith("/")]


def matches(pattern: PureRemotePath) -> list[str]:
    """The URLs of the files that fit `pattern`; those of a web server cannot be listed.

    Raises:
        RemoteError: they cannot be listed.
    """
    if pattern.scheme == "http":
        raise RemoteError(pattern, "files of a web server cannot be listed", status=405)
    start = pattern.url.partition("://")[0]
    return [f"{start}://{name}" for name in ask(pattern, "glob")]


def put(local: Path, place: PureRemotePath) -> None:
    """Let `place` be the file `local`; who reads there meets what was, or the whole file.

    Raises:
        RemoteError: the store does not take it.
        OSError: the file cannot be read.
    """
    size = local.stat().st_size
    options = {"chunksize": max(_PART, size // _MOST_PARTS)} if place.scheme == "s3" else {}
    system = filesystem(place.scheme)

    def once() -> None:
        with map_errors(place):
            system.put_file(str(local), address(place), **options)

    with_retries(once)


def copy(place: PureRemotePath, to: PureRemotePath) -> None:
    """Let `to` be the same as `place`, in the same store.

    Raises:
        RemoteError: the store does not allow it.
    """
    ask(place, "cp_file", address(to))


def remove(place: PureRemotePath) -> None:
    """Remove the file at `place`.

    Raises:
        RemoteError: the store does not allow it.
    """
    ask(place, "rm_file")


def read(place: PureRemotePath) -> bytes:
    """The whole of a small file.

    Raises:
        RemoteError: there is none, or the store does not give it.
    """
    data: bytes = ask(place, "cat_file")
    return data


def overwrite(place: PureRemotePath, data: bytes) -> None:
    """Let `place` be a small file that holds `data`.

    Raises:
        RemoteError: the store does not take it.
    """
    ask(place, "pipe_file", data)


def create(place: PureRemotePath, data: bytes) -> bool:
    """Make a small file where none is; of two who ask at once, one is told that it did.

    A store that knows no conditions may tell both; who reads the file again sees whose it is.

    Returns:
        Whether it was made; False where there is one already.

    Raises:
        RemoteError: the store does not take it.
    """
    refused: RemoteError | None = None
    try:
        ask(place, "pipe_file", data, mode="create")
    except RemoteError as error:
        refused = error
    # outside of the block: an error's cause would be read for its status
    if refused is None:
        return True
    if refused.status in _EXISTS:
        return False
    if refused.status not in _UNCONDITIONAL:
        raise refused
    if kind_at(place) is not None:
        return False
    overwrite(place, data)
    return True


def check_writable(place: PureRemotePath) -> None:
    """Put an empty file beside `place` and remove it, so that a wrong right is told early.

    Raises:
        RemoteError: the store does not take it.
    """
    trial = place.with_name(f".{place.name}.part")
    ask(trial, "pipe_file", b"")
    remove(trial)
