"""A model behind an OpenAI-compatible API, asked through its Batch API: slower and cheaper."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dataflow.core.protocols.batch import BatchOptions, BatchServing
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.openai.batch.batch_api import OpenAIBatchApi


class BatchVLMServing_openai(APIVLMServing_openai, BatchServing):  # noqa: N801 - as its sister
    """A vision-language model behind an OpenAI-compatible API that takes requests in batches.

    Its answers have the same keys as those of `APIVLMServing_openai` with the same settings, so
    that one can go on where the other stopped. Everything is asked in batches: a call of
    `generate_from_input` returns after hours.

    Args:
        api_url: As `APIVLMServing_openai`'s.
        key_name_of_api_key: As `APIVLMServing_openai`'s.
        model_name: As `APIVLMServing_openai`'s.
        batching: How requests are put into batches; None for OpenAI's own limits.
        more: All other arguments of `APIVLMServing_openai`.

    Raises:
        MissingKeyError: as `APIVLMServing_openai`.
        UsageError: an argument cannot be used.
    """

    def __init__(
        self,
        api_url: str = "https://api.openai.com/v1",
        key_name_of_api_key: str = "DF_API_KEY",
        model_name: str = "o4-mini",
        *,
        batching: BatchOptions | None = None,
        **more: Any,
    ) -> None:
        super().__init__(api_url, key_name_of_api_key, model_name, **more)
        self.batching = batching or BatchOptions()

    @asynccontextmanager
    async def connect_batches(self) -> AsyncIterator[OpenAIBatchApi]:
        """Open the client for the running event loop; nothing is asked, nothing paid."""
        async with self.chat_client() as client:
            yield OpenAIBatchApi(client, self.batching.window)
