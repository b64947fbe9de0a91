"""The shows of `docs/reliability.md`, small; `make soak` has them in full size."""

from __future__ import annotations

import os
import sys

import pytest

from tests.faults import shows
from tests.faults.shows import size_of

CAN_MOUNT = sys.platform == "linux" and os.geteuid() == 0
needs_mount = pytest.mark.skipif(not CAN_MOUNT, reason="mounts a small file system: needs root")


def test_every_transient_fault_at_once_costs_no_row(tmp_path):
    line = shows.show_transient_faults(tmp_path, rows=300, pictures=50, rate=0.02, concurrency=64)
    print(line)


def test_a_command_killed_at_random_instants_loses_nothing(tmp_path):
    print(shows.show_killed_command(tmp_path, runs=2, rows=300))


def test_an_engine_killed_at_random_instants_loses_nothing(tmp_path):
    print(shows.show_killed_engine(tmp_path, runs=1, rows=300))


@needs_mount
def test_a_disk_that_fills_up_loses_nothing(tmp_path):
    print(shows.show_full_disk(tmp_path, runs=2, rows=300))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_10_000_rows_through_every_transient_fault(tmp_path):
    rows = size_of("ROWS", 10_000)
    print()
    print(shows.show_transient_faults(tmp_path, rows=rows, pictures=300, rate=0.02, concurrency=64))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_40_runs_of_2_000_rows_killed(tmp_path):
    print(shows.show_killed_command(tmp_path, runs=size_of("KILLED", 40), rows=2000))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_10_runs_of_2_000_rows_whose_engine_is_killed(tmp_path):
    print(shows.show_killed_engine(tmp_path, runs=size_of("ENGINE", 10), rows=2000))


@needs_mount
@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_10_runs_of_2_000_rows_on_a_full_disk(tmp_path):
    print(shows.show_full_disk(tmp_path, runs=size_of("FULL", 10), rows=2000))
