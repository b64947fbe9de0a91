"""The engine that the arguments ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow.core.errors import UsageError
from dataflow.core.serving import EngineServing

DEFAULT_KEY_VARIABLE = "DF_API_KEY"
MOST_AT_AN_API = 256
"""Requests in flight at most where the best number is found out while running."""


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine's part of the arguments, as given; None where an argument was left out.

    Attributes:
        model: For the embedded engine or the API.
        mmproj: The picture encoder of a local .gguf.
        vllm: The model for local vLLM.
        api_urls: The addresses of the API's endpoints.
        key_envs: The environment variable with the key: one for each endpoint, or one for all.
        key_file: The file with the API's key, instead.
        concurrency: Requests in flight at most.
        sampling: ``max_tokens``, ``temperature`` and ``seed``.
        timeout: Seconds for one request to an API.
        on_fetch: Told a file's name, the bytes that are here and all its bytes, while a model is
            fetched from the hub.
        needs_key: Whether an API's key must be there; it need not where nothing is asked.
    """

    model: str | None
    mmproj: str | None
    vllm: str | None
    api_urls: Sequence[str]
    key_envs: Sequence[str]
    key_file: str | None
    concurrency: int | None
    sampling: Mapping[str, Any]
    timeout: float
    on_fetch: Callable[[str, int, int], None]
    needs_key: bool = True

    def serving(self) -> EngineServing:
        """The serving; nothing is started or fetched yet.

        Raises:
            UsageError: the arguments contradict each other.
            StopRunError: the engine cannot be had: no key, no package, no such model.
        """
        if self.api_urls and self.vllm is not None:
            raise UsageError("--api-url and --vllm are two engines; give one of them")
        if self.mmproj is not None and (self.api_urls or self.vllm):
            raise UsageError("--mmproj belongs to a local .gguf given by --model")
        if self.api_urls:
            return self._apis()
        if self.vllm is not None:
            return self._vllm(self.vllm)
        return self._llamacpp()

    def _apis(self) -> EngineServing:
        keys = self.key_envs or [DEFAULT_KEY_VARIABLE]
        if len(keys) == 1:
            keys = [*keys] * len(self.api_urls)
        if len(keys) != len(self.api_urls):
            raise UsageError(
                f"{len(self.api_urls)} times --api-url and {len(keys)} times --key-env: give one "
                "--key-env for each, in their order, or one for all"
            )
        endpoints = [self._api(url, key) for url, key in zip(self.api_urls, keys, strict=True)]
        if len(endpoints) == 1:
            return endpoints[0]
        from dataflow.serving.spread import SpreadServing

        return SpreadServing(endpoints)

    def _api(self, url: str, key_env: str) -> EngineServing:
        from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai

        if self.model is None:
            raise UsageError("--api-url needs --model: the model's name at that server")
        return APIVLMServing_openai(
            api_url=url,
            key_name_of_api_key=key_env,
            model_name=self.model,
            max_workers=self.concurrency or MOST_AT_AN_API,
            api_key_file=self.key_file,
            timeout=self.timeout,
            needs_key=self.needs_key,
            **self.sampling,
        )

    def _vllm(self, model: str) -> EngineServing:
        from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_vllm

        if self.model is not None:
            raise UsageError("--vllm MODEL names the model already; leave --model out")
        given = {f"vllm_{name}": value for name, value in self.sampling.items()}
        return LocalModelVLMServing_vllm(
            model, **_without_none({**given, "max_workers": self.concurrency})
        )

    def _llamacpp(self) -> EngineServing:
        from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_llamacpp

        given = {
            "model": self.model,
            "mmproj": self.mmproj,
            "max_workers": self.concurrency,
            "progress": self.on_fetch,
            **self.sampling,
        }
        return LocalModelVLMServing_llamacpp(**_without_none(given))


def _without_none(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}
