"""Whatever goes wrong at a Batch API: nothing is paid twice, and no caption is another's."""

from __future__ import annotations

import pytest

from tests.batch.faults_table import FAULTS, outcome_of, shorten_waits
from tests.servers.hostile_server import KEY


@pytest.mark.parametrize("name", [name for name in FAULTS if not name.startswith("call: ")])
def test_no_fault_of_a_batch_costs_a_request_twice_or_a_right_caption(name, tmp_path, monkeypatch):
    monkeypatch.setenv("DF_API_KEY", KEY)
    shorten_waits(monkeypatch.setattr)
    outcome = outcome_of(FAULTS[name], tmp_path)
    assert (outcome.paid_twice, outcome.wrong, outcome.missing) == (0, 0, 0)
