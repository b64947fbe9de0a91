"""Model files from the Hugging Face hub: from its cache when they are there, else fetched once."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dataflow.core.errors import (
    EngineFailedError,
    MissingPackageError,
    UnknownModelError,
    UnreachableError,
)
from dataflow.serving.weights.downloads import DownloadMeter, Progress, check_digest

WAYS_ON = (
    "Three ways on without it: the bundled model for drawn scenes (--model demo), "
    "a model file of your own (--model FILE.gguf --mmproj FILE.gguf), "
    "or a model behind an API (--api-url URL --model NAME). "
    "A mirror of the hub is named by HF_ENDPOINT; --hub modelscope takes ModelScope."
)

_PROBE_SECONDS = 2.5


def fetch(
    repo: str,
    choose: Callable[[Sequence[str]], Sequence[str]],
    *,
    cache: Path | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
    after_first: Callable[[Path], None] = lambda _: None,
) -> list[Path]:
    """The files of `repo` that `choose` picks, on this disk.

    A connection that breaks is taken up again where it broke; so is a download that was killed.

    Args:
        repo: ``"owner/name"``.
        choose: Given the names of files in the repository, those that are needed, in the order in
            which they are returned; raises `UnknownModelError` when they are not among them.
        cache: The cache's folder; the hub library's own (``HF_HUB_CACHE``) when None.
        folder: Where the files are put instead of the cache.
        progress: Hears how the download goes; None shows it in the log.
        stop: Asked while a file comes; True breaks the download off.
        after_first: Called with the first file, once it is here; what it raises ends the download.

    Raises:
        MissingPackageError: `huggingface_hub` is not installed.
        UnknownModelError: no such repository or file, or the hub does not let us have it.
        UnreachableError: the hub does not answer; raised within seconds.
        EngineFailedError: the disk does not take the files, or `stop` said so.
    """
    try:
        import huggingface_hub
        from huggingface_hub import constants
    except ImportError:
        raise MissingPackageError(
            "models from the hub need huggingface_hub: pip install 'dataflow-caption[llamacpp]'"
        ) from None
    check_reachable(f"the model {repo}")

    def download() -> list[Path]:
        sizes = _list(huggingface_hub.HfApi(), repo)
        names = choose(list(sizes))
        with DownloadMeter(repo, constants.ENDPOINT, progress, stop) as meter:
            meter.expect(sum(sizes[name] for name in names))
            return [
                _take(repo, name, meter, cache, folder, after_first if not index else None)
                for index, name in enumerate(names)
            ]

    return _with_our_errors(repo, download)


def _list(api: Any, repo: str) -> dict[str, int]:
    """The repository's files with their bytes, 0 where the hub does not say."""
    tree = api.list_repo_tree(repo, recursive=True)
    return {str(file.path): int(getattr(file, "size", 0) or 0) for file in tree
            if hasattr(file, "size")}  # fmt: skip


def _take(
    repo: str,
    name: str,
    meter: DownloadMeter,
    cache: Path | None,
    folder: Path | None,
    then: Callable[[Path], None] | None,
) -> Path:
    """One file of `repo`, on this disk, with its checksum looked at where it came just now."""
    import huggingface_hub

    before = meter.done
    known = inspect.signature(huggingface_hub.hf_hub_download).parameters
    # Older versions of the library draw their own bar and no other.
    bar = {"tqdm_class": _bar(meter, before)} if "tqdm_class" in known else {}
    found = Path(
        huggingface_hub.hf_hub_download(
            repo, name, cache_dir=None if folder else cache, local_dir=folder, **bar
        )
    )
    if meter.done > before:
        check_digest(found, _etag(found, name, folder))
    meter.reach(before + found.stat().st_size)
    if then is not None:
        then(found)
    return found


def _etag(file: Path, name: str, folder: Path | None) -> str:
    """The hub's digest of a downloaded file; empty where it is not known.

    In the cache a file is a link to one that bears it as its name; beside plain files there are
    notes of it (https://huggingface.co/docs/huggingface_hub/guides/download).
    """
    if folder is None:
        return file.resolve().name if file.is_symlink() else ""
    note = folder / ".cache" / "huggingface" / "download" / f"{name}.metadata"
    try:
        return note.read_text("utf-8").splitlines()[1]
    except (OSError, IndexError, UnicodeDecodeError):
        return ""


def check_reachable(wanted: str) -> None:
    """Make sure that the hub answers, within 3 seconds.

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


def cached_folder(repo: str, cache: Path | None) -> Path | None:
    """The folder of the newest state of `repo` in the hub's cache; None where there is none.

    The layout is documented: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    """
    from huggingface_hub import constants

    folder = Path(cache or constants.HF_HUB_CACHE) / ("models--" + repo.replace("/", "--"))
    try:
        commit = (folder / "refs" / "main").read_text("ascii").strip()
    except OSError:
        return None
    return folder / "snapshots" / commit


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


def _bar(meter: DownloadMeter, before: int) -> Any:
    """The class of progress bar that the hub library is to use: it draws nothing and counts."""
    from huggingface_hub.utils.tqdm import tqdm

    base: Any = tqdm

    class Bar(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs |= {"file": _Nowhere(), "disable": False}
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> Any:
            drawn = super().update(n)
            meter.reach(before + int(self.n))
            return drawn

    return Bar


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass
