"""Whether a server of any make is ready, and under which name it serves its model."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass

_SECONDS = 1.0
_HEALTH_PATHS = ("/health", "/healthz", "/ping")
_MODEL_PATHS = ("/v1/models", "/models")
_MISSING = (404, 405, 501)


@dataclass(frozen=True, slots=True)
class ReadyServer:
    """A server that answers.

    Attributes:
        model: The name that requests must carry.
    """

    model: str


def look(port: int, model: str, key: str) -> ReadyServer | None:
    """The server on `port` once it is ready, else None; takes a second at most.

    Where it has a health path, that must say yes: SGLang and TGI listen before their model is
    loaded. Its list of models must be there, or unknown to it.

    Args:
        port: On the loopback address.
        model: The model's name or path that it was started with.
        key: The key that it may ask for.
    """
    for path in _HEALTH_PATHS:
        status, _ = _get(port, path, key)
        if status in _MISSING:
            continue
        if status != 200:
            return None
        break
    for path in _MODEL_PATHS:
        status, body = _get(port, path, key)
        if status in _MISSING:
            continue
        if status != 200:
            return None
        return ReadyServer(_served_name(body, model))
    return ReadyServer(model)


def _served_name(body: bytes, model: str) -> str:
    """The name of the list that is the model's: its own, one that ends alike, or the only one."""
    try:
        names = [str(one["id"]) for one in json.loads(body)["data"]]
    except (ValueError, KeyError, TypeError):
        return model
    if model in names or not names:
        return model
    short = model.rstrip("/").rpartition("/")[2].lower()
    alike = [name for name in names if name.rstrip("/").rpartition("/")[2].lower() == short]
    if alike:
        return alike[0]
    return names[0] if len(names) == 1 else model


def _get(port: int, path: str, key: str) -> tuple[int, bytes]:
    """Status and body; status 0 where nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        return answer.status, answer.read(2**20)
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
