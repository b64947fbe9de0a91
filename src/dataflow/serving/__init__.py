"""One file per engine, all behind one HTTP client."""

from importlib import import_module

_HOMES = {
    "APIVLMServing_openai": "api_vlm_serving_openai",
    "LocalModelVLMServing_llamacpp": "local_model_vlm_serving",
    "LocalModelVLMServing_vllm": "local_model_vlm_serving",
}
_CURES = {
    "LocalModelVLMServing_sglang": "start SGLang's server and give its URL to APIVLMServing_openai",
    "APILLMServing_request": "APIVLMServing_openai asks the same servers, also without pictures",
    "LocalModelLLMServing_vllm": "LocalModelVLMServing_vllm also answers without pictures",
    "LocalModelLLMServing_sglang": "start SGLang's server and give its URL to APIVLMServing_openai",
}
"""Servings of DataFlow that are not here → what to take instead."""


def __getattr__(name: str) -> object:
    """The servings, each imported on first use."""
    if name in _HOMES:
        return getattr(import_module(f"dataflow.serving.{_HOMES[name]}"), name)
    cure = f"; {_CURES[name]}" if name in _CURES else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{cure}")
