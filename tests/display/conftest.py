"""The fixtures of the command line."""

from tests.cli.conftest import dataflow, pictures

__all__ = ["dataflow", "pictures"]
