"""Options: how an engine on this machine is started and watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from dataflow.app.options.option import Option, Options

ModelHub: TypeAlias = Literal["huggingface", "modelscope"]
"""Where models come from."""

Dtype: TypeAlias = Literal["auto", "bfloat16", "float16", "float32"]
"""The number format of weights and activations."""


@dataclass(frozen=True, kw_only=True)
class LocalEngineOptions(Options):
    """How an engine on this machine is started and watched."""

    GROUP: ClassVar[str] = "Local engine"

    engine: Annotated[
        str | None,
        Option(
            "Start this OpenAI-compatible server for --model. {model}, {port} and {host} stand for "
            "the model and the address that it is to use.",
            metavar="COMMAND",
        ),
    ] = None
    hub: Annotated[
        ModelHub,
        Option("The hub that models are downloaded from."),
    ] = "huggingface"
    hub_cache: Annotated[
        str | None,
        Option("Keep downloaded models in this folder.", metavar="FOLDER", default="the hub's own"),
    ] = None
    model_folder: Annotated[
        str | None,
        Option(
            "Download the files of --vllm into this folder, as plain files.",
            hidden=("--hf-local-dir",),
            metavar="FOLDER",
        ),
    ] = None
    max_model_len: Annotated[
        int | None,
        Option(
            "The context: the most tokens of one request's prompt, pictures and answer.",
            hidden=("--ctx-size", "--context"),
            metavar="TOKENS",
            least=1,
            default="4096, or the model's own limit if that is lower",
        ),
    ] = None
    images_per_request: Annotated[
        int | None,
        Option("The most pictures in one request, with --vllm.", metavar="N", least=1, default="8"),
    ] = None
    min_image_tokens: Annotated[
        int | None,
        Option(
            "Show the model each picture at least this large.",
            metavar="TOKENS",
            least=1,
            default="the model's own",
        ),
    ] = None
    max_image_tokens: Annotated[
        int | None,
        Option(
            "Show the model each picture at most this large: more see finer detail and take "
            "longer.",
            metavar="TOKENS",
            least=1,
            default="the model's own",
        ),
    ] = None
    tensor_parallel: Annotated[
        int | None,
        Option(
            "Split the model over this many GPUs, with --vllm.",
            hidden=("--tensor-parallel-size",),
            metavar="N",
            least=1,
            default="1",
        ),
    ] = None
    data_parallel: Annotated[
        int | None,
        Option(
            "Run this many copies of the model, each on its own GPUs, with --vllm.",
            hidden=("--data-parallel-size",),
            metavar="N",
            least=1,
            default="1",
        ),
    ] = None
    gpu_memory: Annotated[
        float | None,
        Option(
            "The share of each GPU's memory that vLLM may use.",
            hidden=("--gpu-memory-utilization",),
            metavar="SHARE",
            least=0.01,
            most=1.0,
            default="0.9",
        ),
    ] = None
    dtype: Annotated[
        Dtype | None,
        Option("The number format that vLLM computes in.", default="auto"),
    ] = None
    quantization: Annotated[
        str | None,
        Option(
            "How vLLM reads or makes quantized weights, such as fp8, awq, gptq or bitsandbytes.",
            metavar="METHOD",
            default="what the model's config says",
        ),
    ] = None
    slots: Annotated[
        int | None,
        Option(
            "How many requests the engine works on at once.",
            hidden=("--max-num-seqs", "--parallel"),
            metavar="N",
            least=1,
            default="llama.cpp: 4; vLLM: its own",
        ),
    ] = None
    threads: Annotated[
        int | None,
        Option(
            "CPU threads of llama.cpp.",
            metavar="N",
            least=1,
            default="all physical cores but one",
        ),
    ] = None
    start_timeout: Annotated[
        float | None,
        Option(
            "Seconds that the engine may take to load; a download does not count.",
            metavar="SECONDS",
            least=1.0,
            default="llama.cpp: 300; others: 1800",
        ),
    ] = None
    engine_timeout: Annotated[
        float | None,
        Option(
            "Restart an engine that has requests and answers none for this many seconds.",
            metavar="SECONDS",
            least=1.0,
            default="10 times its slowest answer, at least 60",
        ),
    ] = None
    max_restarts: Annotated[
        int | None,
        Option(
            "How often an engine that dies without having worked is started again.",
            metavar="N",
            least=0,
            default="3",
        ),
    ] = None
    engine_arg: Annotated[
        dict[str, Any] | None,
        Option(
            "Any other setting of the engine, by its own name: an argument of vLLM's server or a "
            "field of xllamacpp's CommonParams. VALUE is JSON, or else text.",
            metavar="NAME=VALUE",
            pairs="=",
        ),
    ] = None
