"""Settings of llama.cpp that people give by name: fields of xllamacpp's ``CommonParams``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from dataflow.core.errors import MissingPackageError, UsageError
from dataflow.serving.llamacpp.server import parameters, set_parameter

_OURS = ("model", "mmproj", "api_keys", "port", "hostnames", "n_parallel", "n_ctx", "ssl_file_key",
         "ssl_file_cert")  # fmt: skip
_INSTEAD = {"n_parallel": "; --slots sets it", "n_ctx": "; --max-model-len sets it"}

NO_ANSWERS = frozenset(
    ("cache_ram_mib", "check_tensors", "fit_params", "main_gpu", "mmproj_use_gpu", "n_batch",
     "n_gpu_layers", "n_threads_http", "n_ubatch", "no_kv_offload", "numa", "split_mode",
     "tensor_split", "timeout_read", "timeout_write", "verbosity", "warmup")
)  # fmt: skip
"""Fields that decide on speed and memory only."""


def is_named_values(value: object) -> bool:
    """Whether it is a mapping of names to values."""
    return isinstance(value, Mapping) and all(isinstance(name, str) and name for name in value)


def check_engine_args(given: Mapping[str, Any]) -> None:
    """Make sure that llama.cpp has such settings, and takes these values.

    Raises:
        UsageError: it does not; the message names the setting.
        MissingPackageError: xllamacpp cannot be loaded.
    """
    if not given:
        return
    try:
        params = parameters()
    except ImportError as error:
        raise MissingPackageError(f"xllamacpp cannot be loaded: {error}") from None
    for name, value in given.items():
        plain = name.lstrip("-").replace("-", "_")
        if plain in _OURS:
            raise UsageError(
                f"llama.cpp's {name} cannot be given: dataflow sets it{_INSTEAD.get(plain, '')}"
            )
        try:
            set_parameter(params, name, value)
        except AttributeError:
            known = [field for field in dir(params) if not field.startswith("_")]
            near = difflib.get_close_matches(plain, known, n=1)
            hint = f"; do you mean {near[0]}?" if near else ""
            raise UsageError(f"llama.cpp has no setting {name}{hint}") from None
        except (TypeError, ValueError, OverflowError) as error:
            raise UsageError(f"llama.cpp's {name} does not take {value!r}: {error}") from None
