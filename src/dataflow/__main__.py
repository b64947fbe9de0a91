"""``python -m dataflow`` is the command `dataflow`."""

from dataflow.cli import start

start()
