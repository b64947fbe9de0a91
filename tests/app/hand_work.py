"""A folder of pictures that people and machines work on in turn, by chance, and what must hold.

`python -m tests.app.hand_work FOLDER JSON` is one run in a process of its own, which is killed.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from unittest import mock

from PIL import Image

from dataflow.app.caption import caption
from dataflow.app.edits import edits
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.options.commands.edits import EditsOptions
from dataflow.app.options.commands.write import WriteOptions
from dataflow.app.quality.fix import fix
from dataflow.app.write import write
from dataflow.core.errors import StopRunError, UsageError
from dataflow.serving.fake import FakeServing

PICTURES = 6
FORMS = ("jsonl", "csv", "skip", "overwrite", "append", "both")
"""What is written: a dataset, sidecars with what is done about those that are there, or both."""


def options_of(form: str, prompt: str, model: str, **more) -> CaptionOptions:
    """The options of a run in the folder of the pictures' folder."""
    given = {"source": "photos", "prompt": prompt, "model": model, "no_checks": True, **more}
    if form in ("jsonl", "csv", "both"):
        given["output"] = f"out.{'jsonl' if form == 'both' else form}"
    if form not in ("jsonl", "csv"):
        given["sidecar"] = ".txt"
        given["existing"] = None if form in ("skip", "both") else form
    return CaptionOptions(**given)


def run(options: CaptionOptions, *, tag: str, stop_after: int | None = None) -> list[str]:
    """One run of a scripted engine whose answers are all different; returns the answers."""
    said: list[str] = []
    lock = threading.Lock()

    def answer(request, pictures):
        with lock:
            if stop_after is not None and len(said) >= stop_after:
                raise StopRunError("the engine is gone")
            words = "I am sorry, but I cannot help with that" if len(said) % 5 == 4 else "A picture"
            said.append(f"{words} {tag}x{len(said)}.")
            return said[-1]

    serving = FakeServing(answer, model=options.model or "m", max_workers=2)
    with mock.patch("dataflow.app.planning.plan.serving_of", return_value=serving):
        caption(options)
    return said


class HandWork:
    """The folder, the people and the machine.

    Args:
        folder: An empty folder; it is the working folder.
        form: One of `FORMS`.
        seed: Of chance.
    """

    def __init__(self, folder: Path, form: str, seed: int) -> None:
        self.folder, self.form, self.chance = folder, form, random.Random(seed)
        self.said: list[str] = []
        self.persons: dict[str, str] = {}
        self._former: set[str] = set()
        self.log: list[str] = []
        self._numbers = itertools.count()
        (folder / "photos").mkdir()
        for number in range(PICTURES):
            color = (number * 40, 100, 200 - number * 30)
            Image.new("RGB", (32, 32), color).save(folder / "photos" / f"{number}.png")
            if form in ("append", "overwrite") and number % 2:
                (folder / "photos" / f"{number}.txt").write_text(f"tags{number}")

    # --- what is done --------------------------------------------------------------------------

    def step(self) -> None:
        """One thing that a person or a machine does."""
        does = self.chance.choice(
            [self.again, self.again, self.other, self.edit, self.edit, self.blank, self.only,
             self.stop, self.kill, self.look, self.fix, self.delete, self.copy, self.resave,
             self.empty, self.sort, self.restore]
        )  # fmt: skip
        self.log.append(does.__name__)
        does()

    def again(self) -> None:
        self._run()

    def other(self) -> None:
        self._run(prompt=self.chance.choice(["Describe.", "What is it?"]))

    def only(self) -> None:
        self._run(only=[f"{self.chance.randrange(PICTURES)}.png"])

    def stop(self) -> None:
        prompt = self.chance.choice(["Describe.", "Say it."])
        self._run(prompt=prompt, stop_after=self.chance.randrange(PICTURES))

    def kill(self) -> None:
        """A run in a process of its own, killed at any time."""
        given = {"form": self.form, "tag": self._tag(), "after": self.chance.random() * 0.25}
        command = [sys.executable, "-m", "tests.app.hand_work", str(self.folder), json.dumps(given)]
        subprocess.run(command, check=False, cwd=Path(__file__).parents[2], capture_output=True)

    def look(self) -> None:
        name = "photos" if self.form not in ("jsonl", "csv", "both") else self._output().name
        write(WriteOptions(output=name))

    def fix(self) -> None:
        if self.form not in ("skip", "overwrite") or not list(self.folder.glob("photos/*.txt")):
            return
        self._asked(
            lambda serving: fix(
                CheckOptions(output="photos", fix=True, max_duplicates=100, near=False, yes=True)
            )
        )

    def edit(self) -> None:
        self._change(lambda old: self._by_hand())

    def blank(self) -> None:
        """One blank more, anywhere between two words."""
        self._change(self._with_blank)

    def copy(self) -> None:
        """The caption of one picture put over that of another."""
        texts = [text.strip() for text in self.captions().values() if text and text.strip()]
        text = self.chance.choice(texts) if texts else ""
        # a picture's own caption put back is no word of a person
        self._change(lambda old: self._by_hand() if text in ("", old, *self._former) else text)

    def empty(self) -> None:
        """A caption that a person does not want."""
        self._change(lambda old: "")

    def resave(self) -> None:
        """Another program saves what it opened: same captions, other bytes."""
        if self._is_sidecars():
            for file in self.folder.glob("photos/*.txt"):
                _write(file, "\ufeff" + file.read_text("utf-8-sig").strip() + "\r\n")
        elif self._output().exists():
            self._save(self._rows(), is_foreign=True)

    def sort(self) -> None:
        """Rows in another order, or one less: not a word of it is about captions."""
        if self._is_sidecars() or not self._output().exists():
            return
        rows = self._rows()
        self.chance.shuffle(rows)
        gone = rows.pop() if len(rows) > 1 and self.chance.random() < 0.5 else None
        if gone is not None:
            self.persons.pop(Path(gone["image"]).stem, None)
        self._save(rows)

    def restore(self) -> None:
        """A person takes an edit back."""
        try:
            found = edits(EditsOptions(output=self._place()))
        except UsageError:
            return
        if found:
            one = self.chance.choice(found)
            edits(EditsOptions(output=self._place(), restore=one.number, author="somebody"))
            self.persons.pop(Path(one.picture).stem, None)

    def _by_hand(self) -> str:
        return f"By hand {next(self._numbers)}"

    def _with_blank(self, old: str) -> str:
        words = old.split(" ")
        if len(words) < 2:
            return self._by_hand()
        at = self.chance.randrange(1, len(words))
        return " ".join(words[:at]) + "  " + " ".join(words[at:])

    def delete(self) -> None:
        files = sorted(self.folder.glob("photos/*.txt"))
        if self.form == "both" or not files:
            return
        file = self.chance.choice(files)
        file.unlink()
        self.persons.pop(file.stem, None)

    # --- what must hold ------------------------------------------------------------------------

    def verify(self) -> None:
        """Every person's text is in the output, and every answer in the journal."""
        self._run()
        captions = self.captions()
        listed = {edit.text for edit in edits(EditsOptions(output=self._place()))}
        for name, text in self.persons.items():
            is_there = text in (captions.get(name) or "")
            assert is_there or text in listed, (self.log, name, text, captions, listed)
        for text in self.said:
            assert text in self._known(), (self.log, text)

    def captions(self) -> dict[str, str | None]:
        """Each picture's caption as it stands."""
        if self._is_sidecars():
            files = self.folder.glob("photos/*.txt")
            return {file.stem: file.read_text("utf-8-sig") for file in files}
        return {Path(row["image"]).stem: row["caption"] for row in self._rows()}

    # --- how -----------------------------------------------------------------------------------

    def _run(self, *, prompt="Describe.", stop_after=None, **more) -> None:
        options = options_of(self.form, prompt, "m", yes=True, **more)
        try:
            self._asked(lambda serving: caption(options), stop_after=stop_after)
        except StopRunError as error:
            if error.kind == "usage":
                raise

    def _asked(self, go, *, stop_after=None) -> None:
        tag, lock, count = self._tag(), threading.Lock(), itertools.count()

        def answer(request, pictures):
            with lock:
                number = next(count)
                if stop_after is not None and number >= stop_after:
                    raise StopRunError("the engine is gone")
                bad = self.chance.random() < 0.2
                words = "I am sorry, but I cannot help with that" if bad else "A picture"
                text = f"{words} {tag}x{number}."
                self.said.append(text)
                return text

        serving = FakeServing(answer, model="m", max_workers=2)
        with mock.patch("dataflow.app.planning.plan.serving_of", return_value=serving):
            go(serving)

    def _change(self, made) -> None:
        if self._is_sidecars():
            files = sorted(self.folder.glob("photos/*.txt"))
            if files:
                file = self.chance.choice(files)
                old = file.read_text("utf-8-sig").strip()
                file.write_text(text := made(old))
                self._note(file.stem, old, text)
            return
        rows = self._rows() if self._output().exists() else []
        if rows:
            row = self.chance.choice(rows)
            old = (row["caption"] or "").strip()
            row["caption"] = made(old)
            self._note(Path(row["image"]).stem, old, row["caption"])
            self._save(rows)

    def _note(self, name: str, old: str, text: str) -> None:
        self._former.add(old)
        if text.strip():
            self.persons[name] = text.strip()
        else:
            self.persons.pop(name, None)

    def _rows(self) -> list[dict]:
        if self.form == "csv":
            with self._output().open(newline="", encoding="utf-8-sig") as file:
                return list(csv.DictReader(file))
        return [json.loads(line) for line in self._output().read_text("utf-8-sig").splitlines()]

    def _save(self, rows: list[dict], *, is_foreign: bool = False) -> None:
        """Write the rows as an editor does, or as a spreadsheet or another program does."""
        file = io.StringIO()
        if self.form == "csv":
            quoting = csv.QUOTE_ALL if is_foreign else csv.QUOTE_MINIMAL
            writer = csv.DictWriter(file, rows[0], quoting=quoting, lineterminator="\r\n")
            writer.writeheader()
            writer.writerows(rows)
        else:
            end, more = ("\r\n", {"separators": (",", ":")}) if is_foreign else ("\n", {})
            file.writelines(json.dumps(row, **more) + end for row in rows)
        _write(self._output(), ("\ufeff" if is_foreign else "") + file.getvalue())

    def _is_sidecars(self) -> bool:
        return self.form in ("skip", "overwrite", "append")

    def _known(self) -> str:
        found: list[str] = []
        for journal in self.folder.glob("*.dataflow/journal.sqlite"):
            db = sqlite3.connect(journal)
            for query in (
                "SELECT caption FROM results WHERE caption NOT NULL",
                "SELECT caption FROM former_results",
                "SELECT text FROM attempts",
            ):
                found += [text for (text,) in db.execute(query)]
            db.close()
        return "\n".join(found)

    def _output(self) -> Path:
        return self.folder / f"out.{'csv' if self.form == 'csv' else 'jsonl'}"

    def _place(self) -> str:
        is_file = self.form in ("jsonl", "csv", "both")
        return self._output().name if is_file else "photos.sidecars"

    def _tag(self) -> str:
        return f"t{next(self._numbers)}"


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


def _main(folder: str, text: str) -> None:
    os.chdir(folder)
    given = json.loads(text)
    options = options_of(given["form"], "Describe.", "m", yes=True)
    timer = threading.Timer(given["after"], os.kill, (os.getpid(), signal.SIGKILL))
    timer.start()
    run(options, tag=given["tag"])
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _main(*sys.argv[1:])
