"""The names of DataFlow's ``dataflow.core``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from dataflow.core.protocols.operator import OperatorABC
from dataflow.core.protocols.serving import LLMServingABC, VLMServingABC

__all__ = ["LLMServingABC", "OperatorABC", "VLMServingABC", "WrapperABC", "get_operator"]


class WrapperABC(ABC):
    """Something that runs an operator."""

    @abstractmethod
    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the operator."""


def get_operator(operator_name: str, args: Any) -> Any:
    """The operator of that name, made with `args` alone; KeyError where there is none."""
    from dataflow.compat.registry import OPERATOR_REGISTRY

    return OPERATOR_REGISTRY.get(operator_name)(args)
