"""The names of DataFlow's ``dataflow.core`` and ``dataflow.wrapper``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from dataflow.core.protocols.operator import OperatorABC
from dataflow.core.protocols.serving import LLMServingABC, VLMServingABC
from dataflow.core.settings import FROM_1

__all__ = ["BatchWrapper", "LLMServingABC", "OperatorABC", "VLMServingABC", "WrapperABC",
           "get_operator"]  # fmt: skip
__path__: list[str] = []  # DataFlow has packages here


class WrapperABC(ABC):
    """Something that runs an operator."""

    @abstractmethod
    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the operator."""


class BatchWrapper(WrapperABC):
    """Runs `operator`; the rest has no effect, for rows are streamed in constant memory."""

    def __init__(
        self, operator: OperatorABC, batch_size: int = 32, batch_cache: bool = False
    ) -> None:
        FROM_1.take("batch_size", batch_size)
        self._operator = operator

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the operator with these arguments; returns what it returns."""
        return self._operator.run(*args, **kwargs)


def get_operator(operator_name: str, args: Any) -> Any:
    """The operator of that name, made with `args` alone; KeyError where there is none."""
    from dataflow.compat.registry import OPERATOR_REGISTRY

    return OPERATOR_REGISTRY.get(operator_name)(args)
