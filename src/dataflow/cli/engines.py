"""The engine that the arguments ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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
        endpoints: A file with more of them, see `read_endpoints`.
        key_envs: The environment variable with the key: one for each of `api_urls`, or one for all.
        key_file: The file with the API's key, instead.
        concurrency: Requests in flight at most.
        sampling: ``max_tokens``, ``temperature`` and ``seed``.
        timeout: Seconds for one request to an API.
        on_fetch: Told a file's name, the bytes that are here and all its bytes, while a model is
            fetched from the hub.
    """

    model: str | None
    mmproj: str | None
    vllm: str | None
    api_urls: Sequence[str]
    endpoints: str | None
    key_envs: Sequence[str]
    key_file: str | None
    concurrency: int | None
    sampling: Mapping[str, Any]
    timeout: float
    on_fetch: Callable[[str, int, int], None]

    def serving(self) -> EngineServing:
        """The serving; nothing is started or fetched yet.

        Raises:
            UsageError: the arguments contradict each other.
            StopRunError: the engine cannot be had: no key, no package, no such model.
        """
        is_api = bool(self.api_urls or self.endpoints)
        if is_api and self.vllm is not None:
            raise UsageError("an API and --vllm are two engines; give one of them")
        if self.mmproj is not None and (is_api or self.vllm):
            raise UsageError("--mmproj belongs to a local .gguf given by --model")
        if is_api:
            return self._apis()
        if self.vllm is not None:
            return self._vllm(self.vllm)
        return self._llamacpp()

    def _apis(self) -> EngineServing:
        keys, default = self.key_envs, DEFAULT_KEY_VARIABLE
        if len(keys) <= 1:
            default = next(iter(keys), default)
            keys = [default] * len(self.api_urls)
        if len(keys) != len(self.api_urls):
            raise UsageError(
                f"{len(self.api_urls)} times --api-url and {len(keys)} times --key-env: give one "
                "--key-env for each, in their order, or one for all"
            )
        named = [*zip(self.api_urls, keys, strict=True)]
        listed = read_endpoints(self.endpoints, default) if self.endpoints is not None else []
        endpoints = [self._api(url, key) for url, key in named + listed]
        if len(endpoints) == 1:
            return endpoints[0]
        from dataflow.serving.spread import SpreadServing

        return SpreadServing(endpoints)

    def _api(self, url: str, key_env: str) -> EngineServing:
        from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai

        if self.model is None:
            raise UsageError("an API needs --model: the model's name at that server")
        return APIVLMServing_openai(
            api_url=url,
            key_name_of_api_key=key_env,
            model_name=self.model,
            max_workers=self.concurrency or MOST_AT_AN_API,
            api_key_file=self.key_file,
            timeout=self.timeout,
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


def read_endpoints(path: str, key_env: str) -> list[tuple[str, str]]:
    """The endpoints that the file at `path` lists: each one's address and its key's variable.

    One on each line: its address and, after white space, the environment variable that holds its
    key, where that is not `key_env`. Empty lines and what follows a ``#`` at a line's start are
    left out.

    Raises:
        UsageError: the file cannot be read, or a line is none of these.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"--endpoints {path} cannot be read: {reason}") from None
    found = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) > 2:
            raise UsageError(
                f"--endpoints {path}, line {number}: an address and the variable with its key are "
                f"expected, not {len(words)} words"
            )
        found.append((words[0], words[1] if len(words) == 2 else key_env))
    if not found:
        raise UsageError(f"--endpoints {path} lists no endpoint")
    return found


def _without_none(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}
