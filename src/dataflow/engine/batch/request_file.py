"""The file of a batch while it is being written: request by request, in constant memory."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from dataflow.core.errors import OutputError
from dataflow.engine.journal.batch_tables import Former
from dataflow.engine.paths import make_folder

ENDING = ".jsonl"


class RequestFile:
    """A batch's file in `folder`, under a name that no other batch has.

    Args:
        folder: Where; it is made where it is missing.

    Attributes:
        token: The batch's name.
        size: Bytes so far.
        requests: Those in it, with what was before.

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.token = f"dataflow-{secrets.token_hex(12)}"
        self.size = 0
        self.requests: list[Former] = []
        self._path = path_of(folder, self.token)
        try:
            make_folder(folder)
            self._file = open(self._path, "xb")  # noqa: SIM115 - closed by `finish` or `abandon`
        except OSError as error:
            raise _no_room(self._path, error) from error

    def add(self, line: bytes, former: Former) -> None:
        """Append a request.

        Raises:
            OutputError: the disk is full.
        """
        try:
            self._file.write(line)
        except OSError as error:
            raise _no_room(self._path, error) from error
        self.size += len(line)
        self.requests.append(former)

    def finish(self) -> None:
        """Flush it to the disk; it is whole.

        Raises:
            OutputError: the disk is full.
        """
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise _no_room(self._path, error) from error

    def abandon(self) -> None:
        """Let go of it and remove it."""
        try:
            self._file.close()
        finally:
            self._path.unlink(missing_ok=True)


def path_of(folder: Path, token: str) -> Path:
    """The file of the batch `token`."""
    return folder / f"{token}{ENDING}"


def clear(folder: Path, keep: set[str]) -> None:
    """Remove the files of all batches but those of the tokens in `keep`, and an empty folder."""
    if not folder.is_dir():
        return
    for path in folder.glob(f"dataflow-*{ENDING}"):
        if path.name.removesuffix(ENDING) not in keep:
            path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _no_room(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write the batch's file {path}: {error.strerror or error}; make room, then run the "
        "same command again"
    )
