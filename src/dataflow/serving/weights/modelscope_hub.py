"""Models from ModelScope: from its cache when they are there, else downloaded and resumed.

The interface is the one that ModelScope's own library calls
(https://github.com/modelscope/modelscope, ``hub/file_download.py``).
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dataflow.core.errors import EngineFailedError, UnknownModelError, UnreachableError
from dataflow.serving.weights.downloads import DownloadMeter, Progress, check_digest

_SECONDS = 30.0
_TRIES = 5
_PIECE = 2**18
_UNFINISHED = ".incomplete"


def endpoint() -> str:
    """ModelScope's address; ``MODELSCOPE_ENDPOINT`` names another."""
    return os.environ.get("MODELSCOPE_ENDPOINT", "https://www.modelscope.cn").rstrip("/")


def cached_folder(repo: str, cache: Path | None) -> Path | None:
    """The folder of ModelScope's cache that holds `repo`, or None."""
    base = _base(cache)
    for name in (repo, repo.replace(".", "___")):  # its library replaces dots
        if (base / name).is_dir():
            return base / name
    return None


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
    """The files of `repo` that `choose` picks, on this disk; see `hf_hub.fetch`.

    Raises:
        UnknownModelError: there is no such repository or file.
        UnreachableError: ModelScope does not answer.
        EngineFailedError: the disk does not take the files, or `stop` said so.
    """
    target = folder or cached_folder(repo, cache) or _base(cache) / repo
    if os.environ.get("HF_HUB_OFFLINE") in ("1", "true"):
        raise UnreachableError(
            f"the model {repo} is not whole on this machine, and HF_HUB_OFFLINE forbids fetching it"
        )
    known = _list(repo)
    names = choose(list(known))
    paths = [target / name for name in names]
    with DownloadMeter(repo, endpoint(), progress, stop) as meter:
        meter.expect(sum(int(known[name].get("Size") or 0) for name in names))
        done = 0
        for name, path in zip(names, paths, strict=True):
            try:
                _take(repo, name, path, known[name], meter, done)
            except OSError as error:
                raise EngineFailedError(f"{repo} cannot be kept on this disk: {error}") from None
            done += path.stat().st_size
            meter.reach(done)
            if name == names[0]:
                after_first(path)
    return paths


def _base(cache: Path | None) -> Path:
    if cache is not None:
        return cache
    home = os.environ.get("MODELSCOPE_CACHE")
    return Path(home or Path.home() / ".cache" / "modelscope") / "hub" / "models"


def _list(repo: str) -> dict[str, dict[str, Any]]:
    url = f"{endpoint()}/api/v1/models/{repo}/repo/files?Revision=master&Recursive=True"
    try:
        with _open(url) as answer:
            files = json.load(answer)["Data"]["Files"]
        return {str(f["Path"]): f for f in files if f.get("Type") != "tree"}
    except urllib.error.HTTPError as error:
        if error.code in (401, 403, 404):
            raise UnknownModelError(
                f"ModelScope has no model {repo}, or it is private and MODELSCOPE_API_TOKEN does "
                "not open it"
            ) from None
        raise UnreachableError(f"ModelScope does not give {repo}: HTTP {error.code}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "reason", None) or error
        raise UnreachableError(
            f"the model {repo} is not on this machine, and ModelScope ({endpoint()}) cannot be "
            f"reached ({reason})"
        ) from None


def _take(
    repo: str, name: str, path: Path, known: dict[str, Any], meter: DownloadMeter, before: int
) -> None:
    size = known.get("Size")
    if path.is_file() and (size is None or path.stat().st_size == size):
        return
    part = path.with_name(path.name + _UNFINISHED)
    part.parent.mkdir(parents=True, exist_ok=True)
    query = urllib.parse.urlencode({"Revision": "master", "FilePath": name})
    url = f"{endpoint()}/api/v1/models/{repo}/repo?{query}"
    for attempt in range(_TRIES):
        try:
            _append(url, part, meter, before)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # all of it is here
                break
            if error.code < 500 or attempt == _TRIES - 1:
                raise UnreachableError(f"ModelScope does not give {name}: {error}") from None
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            if attempt == _TRIES - 1:
                raise UnreachableError(f"ModelScope broke off at {name}: {error}") from None
        if size is None or part.stat().st_size >= size:
            break
    else:
        raise UnreachableError(f"ModelScope broke off at {name} again and again")
    check_digest(part, str(known.get("Sha256") or ""))
    part.replace(path)


def _append(url: str, part: Path, meter: DownloadMeter, before: int) -> None:
    here = part.stat().st_size if part.exists() else 0
    with _open(url, start=here) as answer:
        is_rest = answer.status == 206
        with part.open("ab" if is_rest else "wb") as written:
            while data := answer.read(_PIECE):
                written.write(data)
                meter.reach(before + written.tell())


def _open(url: str, *, start: int = 0) -> Any:
    headers = {"User-Agent": "dataflow"}
    if start:
        headers["Range"] = f"bytes={start}-"
    if token := os.environ.get("MODELSCOPE_API_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
        headers["Cookie"] = f"m_session_id={token}"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the hub's own address
    return urllib.request.urlopen(request, timeout=_SECONDS)  # noqa: S310
