"""Model files from the Hugging Face hub: from its cache when they are there, else fetched once."""

from __future__ import annotations

import inspect
import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dataflow.core.errors import (
    EngineFailedError,
    MissingPackageError,
    UnknownModelError,
    UnreachableError,
)

Progress = Callable[[str, int, int], None]
"""Called while a file comes: its name, bytes there, bytes in all (0 where that is not known)."""

WAYS_ON = (
    "Three ways on without it: the bundled model for drawn scenes (--model demo), "
    "a model file of your own (--model FILE.gguf --mmproj FILE.gguf), "
    "or a model behind an API (--api-url URL --model NAME)."
)

# The same weights again, for other programs.
_OTHER_WEIGHTS = ["original/*", "*.gguf", "*.pth", "*.onnx", "*.h5", "*.msgpack"]
_log = logging.getLogger("dataflow")
_PROBE_SECONDS = 5.0
_SAY_EVERY = 10.0  # seconds between two lines where there is no terminal for a bar


def fetch(
    repo: str,
    choose: Callable[[Sequence[str]], Sequence[str]],
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Path]:
    """The files of `repo` that `choose` picks, on this disk.

    Nothing is asked of the hub when they are in its cache. A connection that breaks is taken up
    again where it broke.

    Args:
        repo: ``"owner/name"``.
        choose: Given the names of files in the repository, those that are needed, in the order in
            which they are returned; raises `UnknownModelError` when they are not among them.
        cache: The cache's folder; the hub library's own (``HF_HUB_CACHE``) when None.
        progress: Told how a download goes; None shows the library's bar on a terminal, and says it
            in the log elsewhere.
        stop: Asked while a file comes; True breaks the download off.

    Raises:
        MissingPackageError: `huggingface_hub` is not installed.
        UnknownModelError: no such repository or file, or the hub does not let us have it.
        UnreachableError: the hub does not answer; raised within seconds.
        EngineFailedError: the disk does not take the files, or `stop` said so.
    """
    try:
        import huggingface_hub
    except ImportError:
        raise MissingPackageError(
            "models from the hub need huggingface_hub: pip install 'dataflow-caption[llamacpp]'"
        ) from None
    if found := _cached(repo, choose, cache):
        return found
    check_reachable(f"the model {repo}")
    known = inspect.signature(huggingface_hub.hf_hub_download).parameters

    def download_one(name: str) -> Path:
        # Older versions of the library draw their own bar and no other.
        bar = {"tqdm_class": _bar(name, progress, stop)} if "tqdm_class" in known else {}
        return Path(huggingface_hub.hf_hub_download(repo, name, cache_dir=cache, **bar))

    def download() -> list[Path]:
        names = choose(huggingface_hub.HfApi().list_repo_files(repo))
        return [download_one(name) for name in names]

    return _with_our_errors(repo, download)


def fetch_all(repo: str, folder: Path, *, stop: Callable[[], bool] = lambda: False) -> None:
    """Put the weights of `repo` into `folder`, as files; those that are there stay.

    Raises:
        UnknownModelError: no such repository, or the hub does not let us have it.
        UnreachableError: the hub does not answer; raised within seconds.
        EngineFailedError: the disk does not take the files, or `stop` said so.
    """
    import huggingface_hub

    check_reachable(f"the model {repo}")

    def download() -> list[Path]:
        huggingface_hub.snapshot_download(
            repo,
            local_dir=folder,
            ignore_patterns=_OTHER_WEIGHTS,
            tqdm_class=_bar(repo, None, stop),
        )
        return []

    _with_our_errors(repo, download)


def is_cached(repo: str, name: str, cache: Path | None = None) -> bool:
    """Whether the hub's cache on this disk holds the file `name` of `repo`."""
    folder = _snapshot(repo, cache)
    return folder is not None and (folder / name).is_file()


def check_reachable(wanted: str) -> None:
    """Make sure that the hub answers, within 5 seconds.

    Args:
        wanted: What is to be fetched, for the message.

    Raises:
        UnreachableError: it does not; the message names the ways on.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise UnreachableError(
            f"{wanted} is not on this machine, and HF_HUB_OFFLINE forbids fetching it. {WAYS_ON}"
        )
    failure: list[str] = ["no answer"]
    # In a thread, for looking up a name has no time limit of its own.
    probe = threading.Thread(target=_probe, args=(constants.ENDPOINT, failure), daemon=True)
    probe.start()
    probe.join(_PROBE_SECONDS)
    if failure:
        raise UnreachableError(
            f"{wanted} is not on this machine, and the hub {constants.ENDPOINT} cannot be reached "
            f"({failure[0]}). {WAYS_ON}"
        )


def _probe(url: str, failure: list[str]) -> None:
    """Ask `url` for anything; empties `failure` when something answers, else says why not."""
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - the hub's own address
    try:
        with urllib.request.urlopen(request, timeout=_PROBE_SECONDS):  # noqa: S310
            failure.clear()
    except urllib.error.HTTPError:
        failure.clear()  # an error is an answer
    except urllib.error.URLError as error:
        if "CERTIFICATE" in str(error.reason):  # the hub library may know the certificate
            failure.clear()
        else:
            failure[0] = str(error.reason)
    except (OSError, ValueError) as error:
        failure[0] = str(error)


def _snapshot(repo: str, cache: Path | None) -> Path | None:
    """The folder of the repository's newest cached state.

    The layout is documented: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    """
    from huggingface_hub import constants

    folder = Path(cache or constants.HF_HUB_CACHE) / ("models--" + repo.replace("/", "--"))
    try:
        commit = (folder / "refs" / "main").read_text("ascii").strip()
    except OSError:
        return None
    return folder / "snapshots" / commit


def _cached(
    repo: str, choose: Callable[[Sequence[str]], Sequence[str]], cache: Path | None
) -> list[Path]:
    folder = _snapshot(repo, cache)
    if folder is None or not folder.is_dir():
        return []
    there = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())
    try:
        return [folder / name for name in choose(there)]
    except UnknownModelError:
        return []


def _with_our_errors(repo: str, download: Callable[[], list[Path]]) -> list[Path]:
    """Call `download`; the hub library's errors become ours. The order of catching matters."""
    from huggingface_hub import errors

    try:
        return download()
    except errors.GatedRepoError:
        raise UnknownModelError(
            f"the model {repo} is given only to those who accepted its terms: accept them on its "
            "page, then set HF_TOKEN to a token of that account"
        ) from None
    except errors.RepositoryNotFoundError:
        raise UnknownModelError(
            f"the hub has no model {repo}, or it is private and HF_TOKEN does not open it"
        ) from None
    except errors.HFValidationError as error:
        raise UnknownModelError(f"{repo!r} is no name of a model on the hub: {error}") from None
    except errors.LocalEntryNotFoundError as error:
        raise UnreachableError(f"the hub broke off while fetching {repo}: {error}") from None
    except errors.EntryNotFoundError as error:
        raise UnknownModelError(f"{repo} lacks the file: {error}") from None
    except (errors.HfHubHTTPError, ConnectionError) as error:
        raise UnreachableError(f"the hub does not give {repo}: {error}. {WAYS_ON}") from None
    except OSError as error:
        if error.errno is None:  # the HTTP library's own, no word of the disk
            raise UnreachableError(f"the hub broke off while fetching {repo}: {error}") from None
        raise EngineFailedError(f"{repo} cannot be kept on this disk: {error}") from None


def _bar(name: str, progress: Progress | None, stop: Callable[[], bool]) -> Any:
    """The class of progress bar that the hub library is to use."""
    from huggingface_hub.utils.tqdm import tqdm

    base: Any = tqdm
    draws = progress is None and sys.stderr.isatty()
    tell: Progress = progress or (_say_nothing if draws else _Teller())

    class Bar(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            if not draws:  # it counts all the same
                kwargs |= {"file": _Nowhere(), "disable": False}
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> Any:
            if stop():
                raise EngineFailedError(f"fetching {name} was given up")
            drawn = super().update(n)
            tell(name, int(self.n), int(self.total or 0))
            return drawn

    return Bar


def _say_nothing(name: str, done: int, total: int) -> None:
    pass


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


class _Teller:
    """Says in the log how a download goes, every ten seconds."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, name: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._said >= _SAY_EVERY or (total and done >= total):
            self._said = now
            share = f" of {total / 1e6:.0f}" if total else ""
            _log.info("fetching %s: %.0f%s MB", name, done / 1e6, share)
