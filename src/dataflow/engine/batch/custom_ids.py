"""The name of a request in a batch's file: its key in hexadecimal digits."""

from __future__ import annotations

from dataflow.engine.request_key import KEY_BYTES


def custom_id_of(key: bytes) -> str:
    """The name under which the request of this key is asked."""
    return key.hex()


def key_of(custom_id: str) -> bytes | None:
    """The key that `custom_id_of` made this name of; None where it made it of none."""
    try:
        key = bytes.fromhex(custom_id)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES and key.hex() == custom_id else None
