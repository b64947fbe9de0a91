"""A model behind an OpenAI-compatible API."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from dataflow.core.errors import UsageError, WrongKeyError
from dataflow.core.serving import Client
from dataflow.serving.legacy_methods import DataFlowLegacyMethods
from dataflow.serving.openai.client import ChatClient
from dataflow.serving.openai.endpoint import check_key, read_endpoint, read_key_file
from dataflow.serving.openai.request_body import merge_sampling

_log = logging.getLogger("dataflow")


class MissingKeyError(WrongKeyError, EnvironmentError):
    """There is no API key where one should be."""


class APIVLMServing_openai(DataFlowLegacyMethods):  # noqa: N801 - the name that users' code holds
    """A vision-language model behind an OpenAI-compatible API, called over HTTP.

    Each request costs what the API's owner asks for it.

    Args:
        api_url: ``"https://host/v1"``, or the whole URL of the chat completions.
        key_name_of_api_key: The environment variable that holds the key, read now. A server on
            this machine needs none.
        model_name: The model's name at the server.
        image_io: Without effect; pictures are read by this package itself.
        send_request_stream: Whether replies come as a stream; the answers are the same.
        max_workers: Requests in flight at most; the best number up to it is found while running.
        timeout: Seconds for one attempt at one request.
        temperature: Sampling temperature; None leaves the server's own.
        top_p: Nucleus sampling's share; None leaves the server's own.
        max_tokens: The longest answer, in tokens; None leaves the server's own.
        seed: The seed of sampling; None leaves the server's own.
        extra_body: More fields of the request, by their names in the protocol.
        api_key_file: A file whose first line is the key, instead of the variable; read now.
        needs_key: False for a serving that is not asked anything, only what it would be asked.

    Raises:
        MissingKeyError: there is no key in the file, or, for a server that is not on this
            machine, the variable is not set.
        UsageError: an argument cannot be used.
    """

    adaptive_concurrency = True
    penalty = "frequency_penalty"  # which every server of this protocol knows

    def __init__(
        self,
        api_url: str = "https://api.openai.com/v1",
        key_name_of_api_key: str = "DF_API_KEY",
        model_name: str = "o4-mini",
        image_io: Any = None,
        send_request_stream: bool = False,
        max_workers: int = 10,
        timeout: float = 1800,
        *,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        seed: int | None = None,
        extra_body: Mapping[str, Any] | None = None,
        api_key_file: str | os.PathLike[str] | None = None,
        needs_key: bool = True,
    ) -> None:
        address = read_endpoint(api_url)
        self.api_url = api_url
        self.api_urls = (api_url,)
        self.model = _name(model_name)
        self.max_workers = _positive("max_workers", max_workers)
        self.timeout = _positive("timeout", timeout)
        self.send_request_stream = bool(send_request_stream)
        self._key = (
            check_key(os.environ.get(key_name_of_api_key, "").strip())
            if api_key_file is None
            else _key_in(api_key_file)
        )
        own = {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens, "seed": seed}
        self._sampling = merge_sampling(own, extra_body or {})
        if self._key is None and needs_key and not address.is_loopback:
            raise MissingKeyError(
                f"no API key: the environment variable {key_name_of_api_key} is not set "
                f"(export {key_name_of_api_key}=…), and no key file is given"
            )
        if self._key is not None and not (address.is_encrypted or address.is_loopback):
            _log.warning("the API key travels to %s unencrypted: prefer https", address.host)
        if image_io is not None:
            _log.warning("image_io has no effect: pictures are read by this package itself")

    def settings(self) -> Mapping[str, Any]:
        """Model and sampling; the address is no part, for a model may move."""
        return {"model": self.model, "sampling": dict(self._sampling)}

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """Open the client for the running event loop; nothing is asked, nothing paid."""
        async with self.chat_client() as client:
            yield client

    def chat_client(self) -> ChatClient:
        """A client of this API, not yet open."""
        return ChatClient(
            self.api_url,
            model=self.model,
            api_key=self._key,
            sampling=self._sampling,
            timeout=self.timeout,
            stream=self.send_request_stream,
            connections=self.max_workers,
        )

    def cleanup(self) -> None:
        """Nothing is held between calls; may be called any number of times."""


def _key_in(file: str | os.PathLike[str]) -> str:
    try:
        key = check_key(read_key_file(file))
    except OSError as error:
        reason = error.strerror or str(error)
        raise MissingKeyError(f"no API key: the key file {file} cannot be read: {reason}") from None
    if key is None:
        raise MissingKeyError(f"no API key: the first line of the key file {file} is empty")
    return key


def _name(model: str) -> str:
    if not isinstance(model, str) or not model.strip():
        raise UsageError("model_name is empty: name the model as the server knows it")
    return model


def _positive(name: str, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise UsageError(f"{name} must be a number above 0, not {value!r}")
    return value
