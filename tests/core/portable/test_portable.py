"""What Windows does otherwise than POSIX."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from dataflow.core.portable import files, signals
from dataflow.core.portable.file_lock import is_locked, read_start, try_lock, write_all
from dataflow.core.side_files import open_append, open_new


def test_one_holder_at_a_time_has_the_lock(tmp_path):
    first, second = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert try_lock(first)
    assert not try_lock(second)
    assert is_locked(second)
    os.close(first)
    assert not is_locked(second)
    assert try_lock(second)
    os.close(second)


def test_what_is_written_into_a_lock_is_all_that_is_in_it(tmp_path):
    file = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    write_all(file, b"a long text")
    write_all(file, b"short")
    assert read_start(file, 100) == b"short"
    os.close(file)


def test_a_file_that_a_scanner_has_open_is_moved_when_it_lets_go(tmp_path, monkeypatch):
    tries, waits = [], []

    def replace(_self, _target):
        tries.append(1)
        if len(tries) < 3:
            raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(files, "is_windows", lambda: True)
    monkeypatch.setattr(files.time, "sleep", waits.append)
    monkeypatch.setattr(Path, "replace", replace)
    files.replace_file(tmp_path / "a", tmp_path / "b")
    assert (len(tries), len(waits)) == (3, 2)


def test_a_file_that_stays_open_elsewhere_is_an_error_after_a_while(tmp_path, monkeypatch):
    def replace(_self, _target):
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(files, "is_windows", lambda: True)
    monkeypatch.setattr(files.time, "sleep", lambda _: None)
    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(PermissionError):
        files.replace_file(tmp_path / "a", tmp_path / "b")


def test_elsewhere_a_refusal_is_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.replace_file(tmp_path / "a", tmp_path / "b")


def test_a_folder_is_not_synced_where_it_cannot_be_opened(tmp_path, monkeypatch):
    files.sync_folder(tmp_path)
    monkeypatch.setattr(files, "is_windows", lambda: True)
    files.sync_folder(tmp_path / "not there")


def test_a_loop_without_signal_handlers_hears_the_signal_all_the_same(monkeypatch):
    def not_there(*_):
        raise NotImplementedError

    async def wait():
        loop, until = asyncio.get_running_loop(), asyncio.Event()
        monkeypatch.setattr(loop, "add_signal_handler", not_there, raising=False)
        signals.on_ending(loop, until.set)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(until.wait(), 10)

    former = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        asyncio.run(wait())
    finally:
        for number, handler in former:
            signal.signal(number, handler)


def test_line_ends_are_never_translated(tmp_path):
    with open_new(tmp_path / "a") as file:
        file.write("one\n")
        assert file.newlines is None
    with open_append(tmp_path / "a") as file:
        file.write("two\n")
    assert (tmp_path / "a").read_bytes() == b"one\ntwo\n"
