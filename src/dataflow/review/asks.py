"""Captions are asked for again from the page, with another prompt or model.

Each pair of prompt and model has a folder of its own beside the dataset, with the rows that were
asked so, an output and a journal. So nothing is paid twice, and a kill loses no answer. The answers
are offered beside the captions; a person takes one or leaves it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from dataflow.core.errors import DataflowError, UsageError
from dataflow.core.side_files import open_new
from dataflow.engine.journal.read_only import EarlierAnswer, JournalView
from dataflow.engine.paths import SideFiles
from dataflow.remote.path import is_url
from dataflow.review.index import ReviewIndex

MOST_ITEMS = 10_000
"""Captions that one ask is about."""


@dataclass(frozen=True, slots=True)
class AskRequest:
    """What is asked, of which model.

    Attributes:
        prompt: The question for every picture.
        model: The model's name.
        max_cost: US dollars that this ask may use; None for the limit of the command line.
    """

    prompt: str
    model: str
    max_cost: float | None = None


class Asker(Protocol):
    """What estimates and runs an ask: the pipeline of every run."""

    model: str
    prompt: str

    def price(self, source: Path, output: Path, question: AskRequest) -> str:
        """What the ask would send and cost, in words; nothing is sent."""
        ...

    def run(self, source: Path, output: Path, question: AskRequest) -> str:
        """Ask; returns in words what came of it."""
        ...


@dataclass(slots=True)
class AskState:
    """How an ask is getting on.

    Attributes:
        question: What is asked.
        items: The ids of the captions that it is about.
        answers: Item id → the answer.
        outcome: What came of it, in words; empty while it goes.
        has_failed: Whether it stopped for an error.
    """

    question: AskRequest
    items: tuple[int, ...]
    answers: dict[int, EarlierAnswer] = field(default_factory=dict)
    outcome: str = ""
    has_failed: bool = False


class Asks:
    """The asks of one review; one goes at a time.

    Args:
        folder: Where their rows, outputs and journals are kept.
        index: The items.
        folders: Where relative paths of pictures are looked up.
        asker: What estimates and runs them.
    """

    def __init__(
        self, folder: Path, index: ReviewIndex, folders: Sequence[str], asker: Asker
    ) -> None:
        self.asker = asker
        self.state: AskState | None = None
        self._folder = folder
        self._index = index
        self._folders = folders
        self._thread: threading.Thread | None = None
        self._known: dict[Path, tuple[list[object], dict[str, EarlierAnswer]]] = {}

    @property
    def is_running(self) -> bool:
        """Whether an ask goes."""
        return self._thread is not None and self._thread.is_alive()

    def price(self, items: Sequence[int], question: AskRequest) -> str:
        """What asking would send and cost, in words.

        Raises:
            UsageError: there is nothing to ask about, or the question cannot be asked.
            StopRunError: the pictures cannot be looked at.
        """
        folder = self._made(question)
        part = folder / "price.jsonl"
        self._write(part, {**self._rows(folder), **self._wanted(items)})
        try:
            return self.asker.price(part, folder / "captions.jsonl", question)
        finally:
            part.unlink(missing_ok=True)

    def start(self, items: Sequence[int], question: AskRequest) -> None:
        """Begin an ask; its state is in `state`.

        Raises:
            UsageError: another one goes, or there is nothing to ask about.
        """
        if self.is_running:
            raise UsageError("captions are being asked for; wait until that is done")
        folder = self._made(question)
        self._write(folder / "rows.jsonl", {**self._rows(folder), **self._wanted(items)})
        state = self.state = AskState(question, tuple(items))
        self._thread = threading.Thread(target=self._run, args=(folder, state), daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until the ask that goes has ended."""
        if self._thread is not None:
            self._thread.join()

    def look(self) -> list[int]:
        """Take new answers into `state`; returns the items that have one now."""
        state = self.state
        if state is None:
            return []
        answers = self._answers_in(self._folder_of(state.question))
        found: list[int] = []
        for item in state.items:
            row = None if item in state.answers else self._index.item(item)
            answer = None if row is None else answers.get(_name(row["key"], row["column"]))
            if answer is not None:
                state.answers[item] = answer
                found.append(item)
        return found

    def answers(self, key: bytes, column: str) -> list[EarlierAnswer]:
        """All answers to asks about one caption, the oldest first."""
        name = _name(key, column)
        folders = self._folder.iterdir() if self._folder.is_dir() else ()
        found = [self._answers_in(folder).get(name) for folder in folders]
        return sorted(filter(None, found), key=lambda answer: answer.answered_at)

    def _run(self, folder: Path, state: AskState) -> None:
        outcome = "it stopped unexpectedly; the terminal says why"
        try:
            outcome = self.asker.run(
                folder / "rows.jsonl", folder / "captions.jsonl", state.question
            )
        except DataflowError as error:
            state.has_failed, outcome = True, str(error)
        except OSError as error:
            state.has_failed, outcome = True, f"{error.filename}: {error.strerror}"
        finally:
            state.outcome = outcome

    def _answers_in(self, folder: Path) -> dict[str, EarlierAnswer]:
        """The answers of one question, by the name of the caption; read anew where any came."""
        path = SideFiles(folder / "captions.jsonl").journal
        stamp = [_stamp(file) for file in (path, path.with_name(path.name + "-wal"))]
        known = self._known.get(folder)
        if known is not None and known[0] == stamp:
            return known[1]
        names = list(self._rows(folder))
        journal = JournalView(path)
        rows = {key: row for row, _, key in journal.planned_captions() if row < len(names)}
        found = {
            names[rows[one.key]]: EarlierAnswer(
                one.caption, one.model, one.committed_at, one.error_kind, one.error
            )
            for one in journal.new_results(0.0)
            if one.key in rows and one.caption is not None
        }
        self._known[folder] = (stamp, found)
        return found

    def _folder_of(self, question: AskRequest) -> Path:
        made_of = repr((question.prompt, question.model)).encode("utf-8", "backslashreplace")
        return self._folder / blake2b(made_of, digest_size=8).hexdigest()

    def _made(self, question: AskRequest) -> Path:
        folder = self._folder_of(question)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _rows(self, folder: Path) -> dict[str, Any]:
        """The rows that were ever asked about so, by the name of the caption."""
        path = folder / "rows.jsonl"
        if not path.exists():
            return {}
        lines = path.read_text(encoding="utf-8").splitlines()
        return {row["id"]: row for row in map(json.loads, lines)}

    def _wanted(self, items: Sequence[int]) -> dict[str, Any]:
        if not items:
            raise UsageError("no caption fits this filter")
        if len(items) > MOST_ITEMS:
            raise UsageError(
                f"{len(items):,} captions are too many to ask for from the page; "
                f"{MOST_ITEMS:,} are the most"
            )
        found: dict[str, Any] = {}
        for row in map(self._index.item, items):
            if row is not None and row["picture"] is not None:
                name = _name(row["key"], row["column"])
                found[name] = {"id": name, "image": self._picture(json.loads(row["picture"]))}
        if not found:
            raise UsageError("these rows name no picture that could be asked about")
        return found

    def _picture(self, reference: Any) -> Any:
        """A reference that holds from anywhere."""
        if isinstance(reference, list):
            return [self._picture(one) for one in reference]
        if isinstance(reference, dict):
            return self._picture(reference.get("path") or reference.get("url"))
        if not isinstance(reference, str) or is_url(reference):
            return reference
        places = (Path(folder, reference) for folder in self._folders)
        return next((str(path.absolute()) for path in places if path.exists()), reference)

    def _write(self, path: Path, rows: dict[str, Any]) -> None:
        part = path.with_name(path.name + ".part")
        with open_new(part) as file:
            file.writelines(json.dumps(row, ensure_ascii=True) + "\n" for row in rows.values())
        part.replace(path)


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _name(key: bytes, column: str) -> str:
    return f"{key.hex()} {column}"
