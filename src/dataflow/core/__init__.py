"""The words everyone speaks; standard library only."""

from importlib import import_module

from dataflow.core.protocols.operator import OperatorABC
from dataflow.core.protocols.serving import LLMServingABC, VLMServingABC
from dataflow.core.protocols.storage import DataFlowStorage

__all__ = ["DataFlowStorage", "LLMServingABC", "OperatorABC", "VLMServingABC"]


def __getattr__(name: str) -> object:
    """DataFlow's other names."""
    if name in ("WrapperABC", "get_operator"):
        return getattr(import_module("dataflow.compat.core_names"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
