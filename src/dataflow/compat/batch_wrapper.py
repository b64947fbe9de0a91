"""DataFlow's way to run an operator in batches; ours stream, so it runs them as they are."""

from __future__ import annotations

from typing import Any

from dataflow.compat.core_names import WrapperABC
from dataflow.core.protocols.operator import OperatorABC
from dataflow.core.settings import FROM_1

__path__: list[str] = []  # DataFlow has a package here


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
