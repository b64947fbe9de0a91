"""What happens to the journal's files while a run goes, and what others put in their places."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dataflow.core.errors import JournalError, OutputError
from dataflow.core.side_files import clear_way, open_append, open_new
from dataflow.engine.journal import database
from dataflow.engine.journal.journal import Journal
from dataflow.engine.journal.records import ResultRecord
from dataflow.engine.locks.lease import holder_of
from dataflow.engine.locks.run_lock import RunLock


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def put(journal, *numbers) -> None:
    records = [ResultRecord(key(n), f"caption {n}", is_final=True) for n in numbers]
    asyncio.run(journal.put(*records))


def known(path) -> set[int]:
    journal = Journal(path)
    found = {n for n in range(10) if journal.find(key(n)) is not None}
    journal.close()
    return found


def delete(path):
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def move(path):
    for ending in ("", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(path.parent.parent / f"moved{ending}")


def remove_folder(path):
    shutil.rmtree(path.parent)


def replace(path):
    delete(path)
    path.write_text("somebody's file")


@pytest.mark.parametrize("change", [delete, move, remove_folder, replace])
@pytest.mark.parametrize("more", [(2, 3), ()])
def test_a_journal_that_goes_while_it_is_open_is_written_again(tmp_path, caplog, change, more):
    path = tmp_path / "out.dataflow" / "journal.sqlite"
    journal = Journal(path)
    put(journal, 0, 1)
    change(path)
    if more:
        put(journal, *more)
    journal.close()
    assert known(path) == {0, 1, *more}
    assert "written again" in caplog.text
    if change is replace:
        (aside,) = path.parent.glob("journal.sqlite.2*")
        assert aside.read_text() == "somebody's file"


def test_a_journal_that_was_emptied_is_told(tmp_path, caplog):
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    assert not caplog.text
    path.write_bytes(b"")
    Journal(path).close()
    assert "is an empty file" in caplog.text


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal"])
def test_a_link_in_the_journals_place_is_not_followed(tmp_path, ending):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    folder = tmp_path / "out.dataflow"
    folder.mkdir()
    (folder / f"journal.sqlite{ending}").symlink_to(precious)
    with pytest.raises(OutputError, match="is a link"):
        Journal(folder / "journal.sqlite")
    assert precious.read_text() == "mine"


def test_a_folder_that_is_a_link_is_not_written_into(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "out.dataflow").symlink_to(tmp_path / "theirs")
    with pytest.raises(OutputError, match="is a link"):
        RunLock(tmp_path / "out.dataflow" / "lock")
    assert not list((tmp_path / "theirs").iterdir())


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "lock").symlink_to(precious)
    with pytest.raises(OutputError):
        RunLock(tmp_path / "lock")
    assert precious.read_text() == "mine"


def test_files_are_made_beside_links_and_not_through_them(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in ("new", "way", "more"):
        (tmp_path / name).symlink_to(precious)
    with open_new(tmp_path / "new") as file:
        file.write("ours")
    clear_way(tmp_path / "way")
    with pytest.raises(OSError, match="symbolic"):
        open_append(tmp_path / "more")
    assert precious.read_text() == "mine"
    assert (tmp_path / "new").read_text() == "ours"
    assert not (tmp_path / "way").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("has_log", [False, True])
def test_a_colleague_without_the_right_leaves_nothing_behind(request, has_log):
    # others may not enter the folders of pytest
    home = Path(tempfile.mkdtemp())
    request.addfinalizer(lambda: shutil.rmtree(home))
    home.chmod(0o755)
    folder = home / "out.dataflow"
    owner = Journal(folder / "journal.sqlite")
    put(owner, 1)
    if not has_log:
        owner.close()
    folder.chmod(0o777)
    before = sorted(path.name for path in folder.iterdir())
    script = (
        "import os, sys, pwd, encodings.idna\n"
        "from pathlib import Path\n"
        "from dataflow.core.errors import JournalError\n"
        "from dataflow.engine.journal.journal import Journal\n"
        "from dataflow.engine.journal.read_only import JournalView\n"
        "os.setgid(4242); os.setuid(4242)\n"  # once all is imported
        "path = Path(sys.argv[1])\n"
        "print(len(JournalView(path).answered([(1).to_bytes(16, 'big')])))\n"
        "try: Journal(path)\n"
        "except JournalError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder / "journal.sqlite")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("1\n"), done.stderr
    assert "you may not write it" in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == before
    owner.close()
    assert known(folder / "journal.sqlite") == {1}


# --- the lock --------------------------------------------------------------------------------


def test_a_process_number_that_another_program_has_now_holds_nothing(tmp_path):
    lock = RunLock(tmp_path / "lock")
    text = (tmp_path / "lock").read_text()
    lock.release()
    (tmp_path / "lock").write_text(text)  # as a killed run leaves it, and this process lives
    assert holder_of(tmp_path / "lock") is None
    lock = RunLock(tmp_path / "lock")
    assert holder_of(tmp_path / "lock") == f"process {os.getpid()} on {os.uname().nodename}"
    lock.release()


def test_a_lease_is_renewed(tmp_path):
    now = [1000.0]
    lock = RunLock(tmp_path / "lock", host="one", clock=lambda: now[0])
    now[0] = 5000.0
    lock.renew()
    assert '"renewed": 5000.0' in (tmp_path / "lock").read_text()
    lock.release()


def test_on_a_network_disk_the_journal_has_no_write_ahead_log(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(database, "network_disk_of", lambda path: "NFS")
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    assert f"the journal {path} lies on a network disk (NFS)" in caplog.text
    put(journal, 1, 2)
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert not path.with_name("journal.sqlite-wal").exists()
    monkeypatch.setattr("dataflow.core.database.sqlite.BUSY_SECONDS", 0.1)
    with pytest.raises(JournalError, match="locked"):
        Journal(path)
    journal.close()
    assert known(path) == {1, 2}
