"""A share of the caller's memory that a picture takes only while it is worked on."""

from __future__ import annotations

from typing import Protocol


class Reservation(Protocol):
    """What the loader enters before a picture takes memory, and leaves while it waits for a host.

    Both methods may be called again; the second call does nothing.
    """

    async def enter(self) -> None:
        """Wait until there is space, and take it."""

    def leave(self) -> None:
        """Give the room back, since the picture has to wait without it."""


class Unlimited:
    """A `Reservation` that always has space."""

    async def enter(self) -> None:
        """Do nothing."""

    def leave(self) -> None:
        """Do nothing."""
