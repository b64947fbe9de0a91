"""pyarrow, which only some formats need: it is three quarters of what all our packages weigh."""

from __future__ import annotations

from importlib.util import find_spec

from dataflow.core.errors import MissingPackageError


def need_pyarrow(what: str) -> None:
    """Make sure that pyarrow is there, without importing it.

    Args:
        what: What needs it, for people; in the plural.

    Raises:
        MissingPackageError: it is not.
    """
    if find_spec("pyarrow") is None:
        raise MissingPackageError(
            f"{what} need the package pyarrow: pip install 'dataflow-caption[parquet]'"
        )
