"""The words everyone speaks; standard library only."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflow.core.protocols.operator import OperatorABC
    from dataflow.core.protocols.serving import LLMServingABC, VLMServingABC
    from dataflow.core.protocols.storage import DataFlowStorage

__all__ = ["DataFlowStorage", "LLMServingABC", "OperatorABC", "VLMServingABC"]

_HOMES = {
    "OperatorABC": "dataflow.core.protocols.operator",
    "LLMServingABC": "dataflow.core.protocols.serving",
    "VLMServingABC": "dataflow.core.protocols.serving",
    "DataFlowStorage": "dataflow.core.protocols.storage",
    # DataFlow's other names
    "WrapperABC": "dataflow.compat.core_names",
    "get_operator": "dataflow.compat.core_names",
}


def __getattr__(name: str) -> object:
    """Import a name on its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
