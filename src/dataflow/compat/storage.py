"""DataFlow's storage in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dataflow.core.protocols.storage import DataFlowStorage
from dataflow.utils.storage import write_table


class DummyStorage(DataFlowStorage):
    """Keeps what is written, and writes it to a file too where it is told one.

    Args:
        cache_path: The folder of the file.
        file_name_prefix: The file's name, without its ending.
        cache_type: The file's ending without its dot; None for no file.
    """

    def __init__(
        self,
        cache_path: str | None = None,
        file_name_prefix: str | None = None,
        cache_type: str | None = None,
    ) -> None:
        self.cache_path, self.file_name_prefix = cache_path, file_name_prefix
        self.cache_type = cache_type
        self._data: Any = None

    def set_data(self, data: Any) -> None:
        """Keep `data`, for `read` to give."""
        self._data = data

    def set_file_name_prefix(self, file_name_prefix: str) -> None:
        """Name the file anew."""
        self.file_name_prefix = file_name_prefix

    def read(self, output_type: str = "dataframe") -> Any:
        """What is kept, as it is."""
        return self._data

    def write(self, data: Any) -> Any:
        """Keep `data`; returns the file's path, or None where there is none."""
        self._data = data
        if self.cache_type is None:
            return None
        name = f"{self.file_name_prefix}.{self.cache_type}"
        return write_table(Path(self.cache_path or ".").expanduser() / name, data)
