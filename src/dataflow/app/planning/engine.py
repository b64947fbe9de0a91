"""The engine that the arguments ask for."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.planning.endpoints import (
    EndpointLine,
    EndpointWatch,
    MakeServing,
    is_folder,
    read_endpoints,
)
from dataflow.app.planning.local_engine import OnFetch, local_engine_of, sampling_choices
from dataflow.core.errors import UsageError
from dataflow.core.protocols.batch import BatchOptions
from dataflow.core.protocols.serving import AsyncServing
from dataflow.images.base.limits import Limits

DEFAULT_KEY_VARIABLE = "DF_API_KEY"
MOST_AT_AN_API = 256
"""Requests in flight at most where the best number is found out while running."""

API_SECONDS = 600.0
"""For one request to an API and its whole answer."""

MOST_REPLICAS = 4096

NO_SERVER_YET = "http://127.0.0.1:9/v1"
"""An address of nobody, for what is the same at every server while there is none."""


def serving_of(choices: CaptionOptions, on_fetch: OnFetch, *, needs_key: bool) -> AsyncServing:
    """The serving; nothing is started or fetched yet.

    Raises:
        UsageError: the arguments contradict each other.
        StopRunError: the engine cannot be had: no key, no package, no such model.
    """
    is_api = bool(choices.api_url or choices.endpoints)
    if is_api and choices.vllm is not None:
        raise UsageError("an API and --vllm are two engines; give one of them")
    if choices.mmproj is not None and (is_api or choices.vllm):
        raise UsageError("--mmproj belongs to a local .gguf given by --model")
    if is_batch(choices) and len([*(choices.api_url or []), *(choices.endpoints or [])]) != 1:
        raise UsageError("batches go to one API: give its address with one --api-url")
    if is_api:
        return _apis(choices, needs_key=needs_key)
    return local_engine_of(choices, on_fetch)


def _apis(choices: CaptionOptions, *, needs_key: bool) -> AsyncServing:
    urls, keys, default = choices.api_url or [], choices.key_env or [], DEFAULT_KEY_VARIABLE
    if len(keys) <= 1:
        default = next(iter(keys), default)
        keys = [default] * len(urls)
    if len(keys) != len(urls):
        raise UsageError(
            f"{len(urls)} times --api-url and {len(keys)} times --key-env: give one --key-env for "
            "each, in their order, or one for all"
        )
    lines = [EndpointLine(url=url, key_env=key) for url, key in zip(urls, keys, strict=True)]
    make = functools.partial(_api, choices, needs_key=needs_key)
    if choices.endpoints is not None and not is_batch(choices):
        return _watched(choices.endpoints, default, make, lines)
    if choices.endpoints is not None:
        lines += read_endpoints(choices.endpoints, default)
    endpoints = [make(line) for line in lines]
    if len(endpoints) == 1:
        return endpoints[0]
    from dataflow.serving.load_balancer import LoadBalancedServing

    return LoadBalancedServing(endpoints)


def _watched(
    path: str, key_env: str, make: MakeServing, fixed: Sequence[EndpointLine]
) -> AsyncServing:
    """Endpoints that come and go while the run works."""
    from dataflow.serving.load_balancer import LoadBalancedServing

    watch = EndpointWatch(path, key_env, make, fixed)
    endpoints = watch.first()
    if not endpoints and not is_folder(path):
        raise UsageError(f"--endpoints {path} lists no endpoint")
    pattern = None if endpoints else make(EndpointLine(url=NO_SERVER_YET, key_env=key_env))
    return LoadBalancedServing(endpoints, discover=watch, pattern=pattern)


def with_workers(choices: CaptionOptions, serving: AsyncServing, limits: Limits) -> AsyncServing:
    """`serving` in as many workers as the options ask for; itself where they ask for none."""
    if choices.ray is not False:
        return _on_ray(choices, serving, limits)
    if choices.workers is None:
        return serving
    from dataflow.serving.workers.process import ProcessLauncher
    from dataflow.serving.workers.serving import WorkerServing

    count = choices.workers
    share = replace(
        limits,
        threads=max(1, (os.cpu_count() or 1) // count),
        max_connections=max(1, limits.max_connections // count),
        picture_connections=max(1, limits.picture_connections // count),
    )
    return WorkerServing(serving, ProcessLauncher(), share, fewest=count)


def _on_ray(choices: CaptionOptions, serving: AsyncServing, limits: Limits) -> AsyncServing:
    from dataflow.serving.workers.ray_actors import RayLauncher
    from dataflow.serving.workers.serving import WorkerServing

    fewest, most = _replicas(choices.replicas)
    gpus = 0
    if choices.vllm is not None:
        gpus = (choices.tensor_parallel or 1) * (choices.data_parallel or 1)
    cpus = 1 if choices.threads is None else choices.threads
    address = choices.ray if isinstance(choices.ray, str) else None
    return WorkerServing(
        serving, RayLauncher(address, cpus=cpus, gpus=gpus), limits, fewest=fewest, most=most
    )


def _replicas(text: str) -> tuple[int, int]:
    """How many actors there are at least and at most.

    Raises:
        UsageError: the text says neither a number nor two.
    """
    fewest, dots, most = text.strip().partition("..")
    if not dots:
        most = fewest
    is_number = fewest.isdecimal() and most.isdecimal()
    if not is_number or not 1 <= int(fewest) <= int(most) <= MOST_REPLICAS:
        raise UsageError(
            f"--replicas takes a number, or LEAST..MOST such as 1..8 (at most {MOST_REPLICAS:,}), "
            f"not {text!r}"
        )
    return int(fewest), int(most)


def fallback_of(choices: CaptionOptions, *, needs_key: bool) -> AsyncServing | None:
    """The fallback model's serving; None where none is asked for.

    Raises:
        UsageError: it is not said where it is.
        StopRunError: it cannot be had: no key.
    """
    if choices.fallback_model is None:
        if choices.fallback_api_url or choices.fallback_key_env:
            raise UsageError("--fallback-api-url and --fallback-key-env need --fallback-model")
        if choices.fallback_price_in is not None or choices.fallback_price_out is not None:
            raise UsageError("--fallback-price-in and --fallback-price-out need --fallback-model")
        return None
    urls, keys = choices.api_url or [], choices.key_env or []
    url = choices.fallback_api_url or (urls[0] if len(urls) == 1 else None)
    if url is None:
        raise UsageError("--fallback-model is behind an API: give its --fallback-api-url")
    from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai

    key_env = choices.fallback_key_env or next(iter(keys), DEFAULT_KEY_VARIABLE)
    is_same = choices.fallback_key_env is None and choices.fallback_api_url is None
    return APIVLMServing_openai(
        url,
        key_env,
        choices.fallback_model,
        max_workers=choices.concurrency or MOST_AT_AN_API,
        api_key_file=choices.key_file if is_same else None,
        timeout=choices.timeout or API_SECONDS,
        needs_key=needs_key,
        key_header=(choices.key_header or "") if is_same else "",
        **(_request_choices(choices) if is_same else {}),
        **sampling_choices(choices),
    )


def _api(choices: CaptionOptions, line: EndpointLine, *, needs_key: bool) -> AsyncServing:
    from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
    from dataflow.serving.batch_vlm_serving_openai import BatchVLMServing_openai

    if choices.model is None:
        raise UsageError("an API needs --model: the model's name at that server")
    given = {
        "api_url": line.url,
        "key_name_of_api_key": line.key_env,
        "model_name": choices.model,
        "max_workers": choices.concurrency or MOST_AT_AN_API,
        "api_key_file": choices.key_file,
        "timeout": choices.timeout or API_SECONDS,
        "needs_key": needs_key,
        "key_header": line.key_header or choices.key_header or "",
        **line.over(_request_choices(choices)),
        **sampling_choices(choices),
    }
    if is_batch(choices):
        return BatchVLMServing_openai(batching=_batching(choices), **given)
    return APIVLMServing_openai(**given)


def _request_choices(choices: CaptionOptions) -> dict[str, Any]:
    """What the options put into each request to an API."""
    return {
        "body": choices.body,
        "headers": choices.header,
        "stream": choices.stream,
        "detail": choices.detail,
        "drop_params": choices.drop_params,
        "ca_file": choices.ca_file,
    }


def is_batch(choices: CaptionOptions) -> bool:
    """Whether the requests go into batches."""
    return choices.batch or choices.batch_then_live or choices.detach or choices.batch_cancel


def _batching(choices: CaptionOptions) -> BatchOptions:
    return BatchOptions(
        requests=choices.batch_requests,
        size=int(choices.batch_mb * 1e6),
        window=choices.batch_window,
        poll=choices.batch_poll,
        then_live=choices.batch_then_live,
    )
