"""A storage of somebody else's, which keeps one step in memory."""

from __future__ import annotations

from dataflow.core.protocols.storage import DataFlowStorage


class Memory(DataFlowStorage):
    """What was written is what is read.

    Args:
        data: What is read first.
    """

    def __init__(self, data):
        self.data = data

    def read(self, output_type):
        return self.data

    def write(self, data):
        self.data = data
