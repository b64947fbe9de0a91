"""What an operator is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class OperatorABC(ABC):
    """A step of a pipeline: reads a storage's current step, writes its next."""

    @abstractmethod
    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Do the step."""
