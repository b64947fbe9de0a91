"""The seam between the operators and where a pipeline keeps its steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.core.column_types import Columns
from dataflow.core.protocols.dataset import Reader, Writer


class DataFlowStorage(ABC):
    """Where an operator reads its rows and writes its results; users may bring their own."""

    @abstractmethod
    def read(self, output_type: str) -> Any:
        """All rows of the current step as ``"dataframe"`` or ``"dict"`` (a list of dicts)."""

    @abstractmethod
    def write(self, data: Any) -> Any:
        """Write a list of dicts or a DataFrame as the next step; returns where it went."""


@dataclass(frozen=True, slots=True)
class StepFiles:
    """One step of a file storage, opened for streaming.

    Attributes:
        reader: The current step's rows.
        folders: Where relative picture paths in them are looked up, in this order.
        output: The next step's file.
        open_writer: Given a path to write to, a writer in the next step's format.
    """

    reader: Reader
    folders: Sequence[str]
    output: Path
    open_writer: Callable[[Path], Writer]


class StreamingStorage(DataFlowStorage):
    """A storage whose steps are files, so that rows stream through in constant memory."""

    @abstractmethod
    def open_step(
        self, *, picture_key: str, columns: Columns, skip_bad_rows: bool = False
    ) -> StepFiles:
        """The current step's reader and the next step's writer.

        Args:
            picture_key: The name of the picture column, where the step is a folder of pictures.
            columns: What the writer will add to each row.
            skip_bad_rows: Whether rows that cannot be read are left out and counted.

        Raises:
            UsageError: before the first `step()`.
            InputError: the current step's file is missing or has no known format.
        """

    def step_failed(self) -> None:
        """Note that the operator did not finish: the same call goes on at this step."""

    def step_written(self) -> None:
        """Note that the operator wrote the next step."""
