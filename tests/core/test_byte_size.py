"""Sizes as people write them."""

import pytest

from dataflow.core.byte_size import bytes_of
from dataflow.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1B", 1),
        ("500MB", 500_000_000),
        ("10GB", 10**10),
        ("2gib", 2 * 2**30),
        ("1.5 kB", 1500),
        (" 3KiB ", 3072),
        ("2TB", 2 * 10**12),
    ],
)
def test_a_number_and_its_unit(text, size):
    assert bytes_of(text, "--max") == size


@pytest.mark.parametrize("text", ["", "10", "GB", "-1GB", "1e3MB", "0B", "0.1B", "10iB", "1PB"])
def test_anything_else_is_an_error_that_names_the_option(text):
    with pytest.raises(UsageError, match="--max"):
        bytes_of(text, "--max")
