"""An embeddings API: pictures and texts in, vectors out, as a serving that the pipeline drives.

A reply's text is the vector as JSON, so that journal, retries, budget and resume are those of every
run. Two forms of requests are known: ``input`` holds objects with ``text`` or ``image``, as Jina's
API has them (https://api.jina.ai/redoc, ``/v1/embeddings``); ``messages`` holds a chat message, as
vLLM's server has it (https://docs.vllm.ai, "Multi-modal embeddings").
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias

import orjson

from dataflow.core.errors import GarbledReplyError, WrongAddressError
from dataflow.core.picture import Picture
from dataflow.core.protocols.serving import Client
from dataflow.core.request import Reply, Request, Usage
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.openai.client import ChatClient

EmbeddingForm: TypeAlias = Literal["input", "messages"]
"""How a picture stands in a request."""


class EmbeddingServing(APIVLMServing_openai):
    """A model that makes vectors of pictures and texts, behind an API.

    Args:
        api_url: The API's base URL; ``/embeddings`` is asked.
        key_name_of_api_key: The environment variable that holds the key.
        model_name: The model.
        form: How a picture stands in a request.
        needs_key: Whether the key must be there.
    """

    def __init__(
        self,
        api_url: str,
        key_name_of_api_key: str,
        model_name: str,
        *,
        form: EmbeddingForm = "input",
        needs_key: bool = True,
    ) -> None:
        super().__init__(api_url, key_name_of_api_key, model_name, needs_key=needs_key)
        self._form = form

    def settings(self) -> Mapping[str, Any]:
        """The model, and that vectors are asked of it."""
        return {"model": self.model, "sampling": {}, "endpoint": "embeddings", "form": self._form}

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """Open the client for the running event loop; nothing is asked, nothing paid."""
        async with self.chat_client() as client:
            yield self.with_slots(_EmbeddingClient(client, self._form))


class _EmbeddingClient:
    def __init__(self, client: ChatClient, form: EmbeddingForm) -> None:
        self._client = client
        self._form = form

    async def send(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """One vector; see `core.protocols.serving.Client`."""
        body = {"model": self._client.model, **self._asked(request, pictures)}
        data = await self._client.http.call("POST", "/embeddings", orjson.dumps(body))
        if data is None:
            raise WrongAddressError(
                f"{self._client.address.base_url} has no /embeddings; name the API that has it"
            )
        try:
            found = orjson.loads(data)
            vector = [float(value) for value in found["data"][0]["embedding"]]
        except (ValueError, KeyError, IndexError, TypeError):
            raise GarbledReplyError("the reply of /embeddings has no vector") from None
        tokens = (found.get("usage") or {}).get("prompt_tokens")
        usage = Usage(tokens if isinstance(tokens, int) else None, 0)
        return Reply(orjson.dumps(vector).decode(), "stop", usage, self._client.model)

    def _asked(self, request: Request, pictures: Sequence[Picture]) -> dict[str, Any]:
        if not pictures:
            text = "".join(part for part in request.turns[-1].parts if isinstance(part, str))
            return {"input": [{"text": text}] if self._form == "input" else [text]}
        encoded = base64.b64encode(pictures[0].data).decode()
        url = f"data:{pictures[0].media_type};base64,{encoded}"
        if self._form == "input":
            return {"input": [{"image": url}]}
        part = {"type": "image_url", "image_url": {"url": url}}
        return {"messages": [{"role": "user", "content": [part]}], "encoding_format": "float"}
