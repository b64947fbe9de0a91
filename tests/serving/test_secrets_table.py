"""Secrets planted at every entry are at no exit, whatever the server does with them."""

from __future__ import annotations

import pytest

from tests.serving.secrets_table import MODES, run_mode


@pytest.mark.parametrize("mode", MODES)
def test_no_planted_secret_is_said_or_kept(mode, tmp_path):
    assert run_mode(mode, tmp_path) == {}
