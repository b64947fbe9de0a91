"""Rows with pictures in, the same rows with true captions out.

>>> import dataflow
>>> dataflow.caption("photos/", sidecar=".txt")  # doctest: +SKIP

Every name is imported on first use and loads nothing heavy: no torch, no pandas, no vLLM.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dataflow.core.version import __version__

if TYPE_CHECKING:
    from dataflow.app.caption import CaptionResult
    from dataflow.app.estimate import EstimateResult
    from dataflow.app.quality.check import CheckResult
    from dataflow.app.quality.fix import FixResult
    from dataflow.checks.suite import CaptionRequirements, checks_for
    from dataflow.compat.logger import get_logger
    from dataflow.core.errors import (
        AccountPolicyError,
        AskTimeoutError,
        BadRequestError,
        BadRowError,
        ConnectionLostError,
        DataflowError,
        EmptyCaptionError,
        EngineDiedError,
        EngineFailedError,
        FaultAlarmError,
        GarbledReplyError,
        InputError,
        JournalError,
        LimitReachedError,
        MissingPackageError,
        NothingCaptionedError,
        NoVisionError,
        OutOfMoneyError,
        OutputError,
        OverloadedError,
        ParameterError,
        PictureChangedError,
        PictureError,
        PictureForbiddenError,
        PictureMissingError,
        PictureTooLargeError,
        PictureTooSlowError,
        ProxyError,
        QuotaError,
        RateLimitedError,
        ReasoningOnlyError,
        RefusedError,
        RejectedError,
        ReplyReuseError,
        ReplyTooLargeError,
        RowError,
        RunStoppedError,
        ServingContractError,
        StopRunError,
        TooLongError,
        TryAgainError,
        UnderWayError,
        UnknownModelError,
        UnreachableError,
        UsageError,
        WrongAddressError,
        WrongKeyError,
    )
    from dataflow.core.picture import ImageRef, Picture
    from dataflow.core.protocols.batch import BatchOptions
    from dataflow.core.protocols.check import Check, CheckContext, Verdict
    from dataflow.core.protocols.operator import OperatorABC
    from dataflow.core.protocols.serving import AsyncServing, Client, LLMServingABC, VLMServingABC
    from dataflow.core.request import Reply, Request, Turn, Usage
    from dataflow.engine.columns import Column
    from dataflow.engine.reporting.progress import Progress, Summary
    from dataflow.engine.reporting.status import Status
    from dataflow.engine.run import Run, RunInterruptedError
    from dataflow.functions import caption, check, estimate, fix, status
    from dataflow.images.base.limits import Limits
    from dataflow.operators.core_vision import (
        BatchVQAGenerator,
        ImageCaptionGenerator,
        PromptedVQAGenerator,
    )
    from dataflow.operators.core_vision.preset import Preset, preset_names, preset_of
    from dataflow.operators.core_vision.prompts import Prompt, read_prompts
    from dataflow.operators.core_vision.run_step.operator_run import OperatorRun
    from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai, MissingKeyError
    from dataflow.serving.batch_vlm_serving_openai import BatchVLMServing_openai
    from dataflow.serving.fake import FakeServing
    from dataflow.serving.load_balancer import LoadBalancedServing
    from dataflow.serving.local_model_vlm_serving import (
        LocalModelVLMServing_llamacpp,
        LocalModelVLMServing_vllm,
    )
    from dataflow.utils.storage import DataFlowStorage, FileStorage


_HOMES = {
    "dataflow.functions": (
        "caption",
        "check",
        "estimate",
        "fix",
        "status",
    ),
    "dataflow.app.caption": ("CaptionResult",),
    "dataflow.app.quality.check": ("CheckResult",),
    "dataflow.app.estimate": ("EstimateResult",),
    "dataflow.app.quality.fix": ("FixResult",),
    "dataflow.checks.suite": (
        "CaptionRequirements",
        "checks_for",
    ),
    "dataflow.core.protocols.check": (
        "Check",
        "CheckContext",
        "Verdict",
    ),
    "dataflow.core.errors": (
        "AccountPolicyError",
        "AskTimeoutError",
        "BadRequestError",
        "BadRowError",
        "ConnectionLostError",
        "DataflowError",
        "EmptyCaptionError",
        "EngineDiedError",
        "EngineFailedError",
        "FaultAlarmError",
        "GarbledReplyError",
        "InputError",
        "JournalError",
        "LimitReachedError",
        "MissingPackageError",
        "NoVisionError",
        "NothingCaptionedError",
        "OutOfMoneyError",
        "OutputError",
        "OverloadedError",
        "ParameterError",
        "PictureChangedError",
        "PictureError",
        "PictureForbiddenError",
        "PictureMissingError",
        "PictureTooLargeError",
        "PictureTooSlowError",
        "ProxyError",
        "QuotaError",
        "RateLimitedError",
        "ReasoningOnlyError",
        "RefusedError",
        "RejectedError",
        "ReplyReuseError",
        "ReplyTooLargeError",
        "RowError",
        "RunStoppedError",
        "ServingContractError",
        "StopRunError",
        "TooLongError",
        "TryAgainError",
        "UnderWayError",
        "UnknownModelError",
        "UnreachableError",
        "UsageError",
        "WrongAddressError",
        "WrongKeyError",
    ),
    "dataflow.core.protocols.operator": ("OperatorABC",),
    "dataflow.core.protocols.serving": (
        "AsyncServing",
        "Client",
        "LLMServingABC",
        "VLMServingABC",
    ),
    "dataflow.engine.reporting.status": ("Status",),
    "dataflow.images.base.limits": ("Limits",),
    "dataflow.operators.core_vision": (
        "BatchVQAGenerator",
        "ImageCaptionGenerator",
        "PromptedVQAGenerator",
    ),
    "dataflow.operators.core_vision.prompts": (
        "Prompt",
        "read_prompts",
    ),
    "dataflow.serving.api_vlm_serving_openai": (
        "APIVLMServing_openai",
        "MissingKeyError",
    ),
    "dataflow.serving.batch_vlm_serving_openai": ("BatchVLMServing_openai",),
    "dataflow.serving.fake": ("FakeServing",),
    "dataflow.serving.local_model_vlm_serving": (
        "LocalModelVLMServing_llamacpp",
        "LocalModelVLMServing_vllm",
    ),
    "dataflow.utils.storage": (
        "DataFlowStorage",
        "FileStorage",
    ),
    "dataflow.engine.run": (
        "Run",
        "RunInterruptedError",
    ),
    "dataflow.operators.core_vision.preset": (
        "Preset",
        "preset_names",
        "preset_of",
    ),
    "dataflow.core.protocols.batch": ("BatchOptions",),
    "dataflow.core.request": (
        "Reply",
        "Request",
        "Turn",
        "Usage",
    ),
    "dataflow.engine.columns": ("Column",),
    "dataflow.engine.reporting.progress": ("Progress", "Summary"),
    "dataflow.operators.core_vision.run_step.operator_run": ("OperatorRun",),
    "dataflow.serving.load_balancer": ("LoadBalancedServing",),
    "dataflow.core.picture": ("ImageRef", "Picture"),
    "dataflow.compat.logger": ("get_logger",),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "APIVLMServing_openai",
    "AccountPolicyError",
    "AskTimeoutError",
    "AsyncServing",
    "BadRequestError",
    "BadRowError",
    "BatchOptions",
    "BatchVLMServing_openai",
    "BatchVQAGenerator",
    "CaptionRequirements",
    "CaptionResult",
    "Check",
    "CheckContext",
    "CheckResult",
    "Client",
    "Column",
    "ConnectionLostError",
    "DataFlowStorage",
    "DataflowError",
    "EmptyCaptionError",
    "EngineDiedError",
    "EngineFailedError",
    "EstimateResult",
    "FakeServing",
    "FaultAlarmError",
    "FileStorage",
    "FixResult",
    "GarbledReplyError",
    "ImageCaptionGenerator",
    "ImageRef",
    "InputError",
    "JournalError",
    "LLMServingABC",
    "LimitReachedError",
    "Limits",
    "LoadBalancedServing",
    "LocalModelVLMServing_llamacpp",
    "LocalModelVLMServing_vllm",
    "MissingKeyError",
    "MissingPackageError",
    "NoVisionError",
    "NothingCaptionedError",
    "OperatorABC",
    "OperatorRun",
    "OutOfMoneyError",
    "OutputError",
    "OverloadedError",
    "ParameterError",
    "Picture",
    "PictureChangedError",
    "PictureError",
    "PictureForbiddenError",
    "PictureMissingError",
    "PictureTooLargeError",
    "PictureTooSlowError",
    "Preset",
    "Progress",
    "Prompt",
    "PromptedVQAGenerator",
    "ProxyError",
    "QuotaError",
    "RateLimitedError",
    "ReasoningOnlyError",
    "RefusedError",
    "RejectedError",
    "Reply",
    "ReplyReuseError",
    "ReplyTooLargeError",
    "Request",
    "RowError",
    "Run",
    "RunInterruptedError",
    "RunStoppedError",
    "ServingContractError",
    "Status",
    "StopRunError",
    "Summary",
    "TooLongError",
    "TryAgainError",
    "Turn",
    "UnderWayError",
    "UnknownModelError",
    "UnreachableError",
    "Usage",
    "UsageError",
    "VLMServingABC",
    "Verdict",
    "WrongAddressError",
    "WrongKeyError",
    "__version__",
    "caption",
    "check",
    "checks_for",
    "estimate",
    "fix",
    "get_logger",
    "preset_names",
    "preset_of",
    "read_prompts",
    "status",
]


def __getattr__(name: str) -> Any:
    """Import a public name on its first use (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'dataflow' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _prepare() -> None:
    import logging

    from dataflow.compat.module_aliases import install
    from dataflow_caption import conflict

    install()
    if cure := conflict():
        logging.getLogger("dataflow").warning("%s", cure)


_prepare()
