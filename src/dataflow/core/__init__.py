"""The words everyone speaks; standard library only."""

from dataflow.core.operator import OperatorABC
from dataflow.core.serving import LLMServingABC, VLMServingABC
from dataflow.core.storage import DataFlowStorage

__all__ = ["DataFlowStorage", "LLMServingABC", "OperatorABC", "VLMServingABC"]
