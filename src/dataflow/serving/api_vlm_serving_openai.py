"""A model behind an OpenAI-compatible API."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from dataflow.core.errors import UsageError
from dataflow.core.protocols.serving import Client
from dataflow.core.settings import (
    ANY_TEXT,
    FROM_1,
    PATH,
    SAMPLING,
    SECONDS,
    TEXT,
    YES_NO,
    ValueRule,
    take_all,
)
from dataflow.serving.legacy_methods import DataFlowLegacyMethods
from dataflow.serving.openai.adaptations import Adaptations
from dataflow.serving.openai.client import ChatClient, ClientOptions
from dataflow.serving.openai.request_body import DETAILS, BodyForm, merge_sampling
from dataflow.serving.openai.transport.credentials import (
    Credentials,
    MissingKeyError,
    credentials,
    find_key,
)
from dataflow.serving.openai.transport.endpoint import read_endpoint

__all__ = ["APIVLMServing_openai", "MissingKeyError"]

_FIELDS = ValueRule("a dict", lambda value: isinstance(value, Mapping))
_RULES = {
    "body": _FIELDS.or_none(),
    "headers": _FIELDS.or_none(),
    "key_header": ANY_TEXT,
    "ca_file": PATH.or_none(),
    "api_key_file": PATH.or_none(),
    "needs_key": YES_NO,
    **dict.fromkeys(("send_request_stream", "stream", "drop_params"), YES_NO),
}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")

_log = logging.getLogger("dataflow")


class APIVLMServing_openai(DataFlowLegacyMethods):  # noqa: N801 - the name that users' code holds
    """A vision-language model behind an OpenAI-compatible API, called over HTTP.

    Each request costs what the API's owner asks for it.

    Args:
        api_url: ``"https://host/v1"``, or the whole URL of the chat completions.
        key_name_of_api_key: The environment variable that holds the key, read now. A server on
            this machine or in its own network is asked without one where none is set.
        model_name: The model's name at the server.
        image_io: Without effect; pictures are read by this package itself.
        send_request_stream: As `stream`.
        max_workers: Requests in flight at most; the best number up to it is found while running.
        timeout: Seconds for one attempt at one request.
        temperature: Sampling temperature; None leaves the server's own.
        top_p: Nucleus sampling's share; None leaves the server's own.
        max_tokens: The longest answer, in tokens; None leaves the server's own.
        seed: The seed of sampling; None leaves the server's own.
        body: More fields of the request, by their names in the protocol; a dotted name
            (``"chat_template_kwargs.enable_thinking"``) is a field of an object. They determine
            the answer: a changed one asks again.
        headers: More HTTP headers; ``$NAME`` in a value stands for that environment variable.
            Their values appear in no message.
        key_header: The header that carries the key alone, as ``"api-key"`` for Azure; empty for
            ``Authorization: Bearer``.
        stream: Whether replies come in pieces; the answers are the same.
        detail: In how much detail the model looks at pictures: ``"low"``, ``"high"``, ``"auto"``
            or ``"original"``; None leaves it to the server.
        drop_params: Whether parameters that you gave and the model does not take are left out, in
            stead of stopping the run.
        ca_file: A PEM file of certificates to trust beside the system's.
        api_key_file: A file whose first line is the key, instead of the variable; read now.
        needs_key: False for a serving that is not asked anything, only what it would be asked.

    Raises:
        MissingKeyError: there is no key in the file, or, for a server outside this network, the
            variable is not set.
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
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        key_header: str = "",
        stream: bool = False,
        detail: str | None = None,
        drop_params: bool = False,
        ca_file: str | os.PathLike[str] | None = None,
        api_key_file: str | os.PathLike[str] | None = None,
        needs_key: bool = True,
    ) -> None:
        address = read_endpoint(TEXT.take("api_url", api_url))
        self.api_url = api_url
        _check_variable(key_name_of_api_key)
        given = {name: value for name, value in locals().items() if name in _RULES}
        take_all(given, _RULES)
        self.api_urls = (address.base_url,)
        self.model = TEXT.take("model_name", model_name)
        self.max_workers = FROM_1.take("max_workers", max_workers)
        self.timeout = SECONDS.take("timeout", timeout)
        self.send_request_stream = stream or send_request_stream
        self.detail = _detail(detail)
        self.drop_params = drop_params
        self.ca_file = ca_file
        own = {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens, "seed": seed}
        rules = {name: rule.or_none() for name, rule in SAMPLING.items()}
        self._sampling = merge_sampling(take_all(own, rules), body or {})
        self._login = (key_name_of_api_key, api_key_file, key_header, dict(headers or {}))
        self._credentials = self._log_in()
        self._adaptations: dict[str, Adaptations] = {}
        key, missing = self._credentials.key, self._credentials.missing
        if key is None and needs_key and not address.is_private and not headers:
            raise MissingKeyError(
                f"no API key: {missing} (export {key_name_of_api_key}=…), and no key file is given"
            )
        if key is not None and not (address.is_encrypted or address.is_loopback):
            _log.warning("the API key travels to %s unencrypted: prefer https", address.host)
        if image_io is not None:
            _log.warning("image_io has no effect: pictures are read by this package itself")

    def _log_in(self) -> Credentials:
        variable, file, key_header, headers = self._login
        key, missing = find_key(variable, file)
        return credentials(key, key_header=key_header, headers=headers, missing=missing)

    def __getstate__(self) -> dict[str, Any]:
        """Without the key and the headers' values, which are read anew where it is unpickled."""
        state = super().__getstate__()
        del state["_credentials"]
        state["_adaptations"] = {}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._credentials = self._log_in()

    @property
    def model_name(self) -> str:
        """The model's name at the server; it can be changed, and holds for the next requests."""
        return self.model

    @model_name.setter
    def model_name(self, name: str) -> None:
        """Ask another model from now on."""
        self.model = TEXT.take("model_name", name)

    def __repr__(self) -> str:
        host = read_endpoint(self.api_url).host
        return f"{type(self).__name__}({self.model!r} at {host}, max_workers={self.max_workers})"

    def settings(self) -> Mapping[str, Any]:
        """Model, sampling and detail; the address is no part, for a model may move."""
        detail = {"detail": self.detail} if self.detail else {}
        return {"model": self.model, "sampling": dict(self._sampling), **detail}

    def learned(self) -> Mapping[str, Mapping[str, Any]]:
        """In which form each model takes requests, by its name and the API's address."""
        found = {name: one.learned() for name, one in self._adaptations.items()}
        return {self._name_of(name): one for name, one in found.items() if one}

    def recall(self, learned: Mapping[str, Mapping[str, Any]]) -> None:
        """Ask this model in the form that an earlier run has learned."""
        if (known := learned.get(self._name_of(self.model))) and not self._adapted().version:
            self._adapted().recall(known)

    def _name_of(self, model: str) -> str:
        return f"{model} at {self.api_urls[0]}"

    def _adapted(self) -> Adaptations:
        form = BodyForm(stream=self.send_request_stream, detail=self.detail)
        return self._adaptations.setdefault(
            self.model, Adaptations(self.model, self.drop_params, form)
        )

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """Open the client for the running event loop; nothing is asked, nothing paid."""
        async with self.chat_client() as client:
            yield self.with_slots(client)

    def chat_client(self) -> ChatClient:
        """A client of this API, not yet open."""
        return ChatClient(
            self.api_url,
            model=self.model,
            options=ClientOptions(
                credentials=self._credentials,
                sampling=self._sampling,
                timeout=self.timeout,
                connections=self.max_workers,
                ca_file=self.ca_file,
                adaptations=self._adapted(),
            ),
        )

    def cleanup(self) -> None:
        """Nothing is held between calls; may be called any number of times."""


def _check_variable(name: str) -> None:
    """Refuse what is no name of an environment variable, which may be the key itself.

    Raises:
        UsageError: it is none; the message holds nothing of it.
    """
    if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
        raise UsageError(
            "key_name_of_api_key must be the name of an environment variable that holds the key, "
            "such as DF_API_KEY; what is given is none, and if it is the key itself, put it into "
            "that variable"
        )


def _detail(detail: str | None) -> str:
    if detail is not None and detail not in DETAILS:
        raise UsageError(f"detail is one of {', '.join(DETAILS)}, not {detail!r:.80}")
    return detail or ""
