"""Which requests kill the engine: found by halving those that were in flight when it died.

A death makes suspects of all that were in flight. They are asked again in ever smaller groups, each
group alone in the engine, so that after a further death one of that group is the cause. A request
that was alone in the engine at `DEATHS_ALONE` deaths is a killer; nothing else ever fails.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

DEATHS_ALONE = 2
"""One death alone may be chance: somebody killed the engine, or the memory went elsewhere."""


@dataclass(eq=False)
class Suspect:
    """One request that is being asked.

    Attributes:
        turn: Set when it may be sent.
        deaths: Deaths of the engine while it was alone in it.
        is_suspect: Whether it was in flight at a death and has not been cleared.
    """

    turn: asyncio.Event = field(default_factory=asyncio.Event)
    deaths: int = 0
    is_suspect: bool = False

    @property
    def is_killer(self) -> bool:
        """Whether it killed the engine often enough, alone."""
        return self.deaths >= DEATHS_ALONE


@dataclass(eq=False)
class _Group:
    members: list[Suspect]
    is_guilty: bool = False  # the rest of a group that killed, whose other half did not


class SuspectQueue:
    """Lets requests into the engine: all at once, or in groups while there are suspects.

    Used from one event loop only.
    """

    def __init__(self) -> None:
        self._in_flight: set[Suspect] = set()
        self._waiting: deque[Suspect] = deque()
        self._groups: deque[_Group] = deque()
        self._testing: _Group | None = None
        self._open: set[Suspect] = set()  # of the group under test: those without an outcome
        self._is_closed = False

    @property
    def in_flight(self) -> int:
        """Requests in the engine."""
        return len(self._in_flight)

    @property
    def are_there(self) -> bool:
        """Whether there are suspects."""
        return self._testing is not None or bool(self._groups)

    async def enter(self, one: Suspect) -> None:
        """Wait until `one` may be sent."""
        while not self._may_enter(one):
            if not one.is_suspect and one not in self._waiting:
                self._waiting.append(one)
            one.turn.clear()
            await one.turn.wait()
        self._in_flight.add(one)

    def _may_enter(self, one: Suspect) -> bool:
        if self._is_closed:
            return False
        return one in self._open if one.is_suspect else not self.are_there

    def leave(self, one: Suspect) -> None:
        """`one` was answered, failed by itself, or is not asked any more: it is cleared."""
        self._in_flight.discard(one)
        if one in self._waiting:
            self._waiting.remove(one)
        one.is_suspect = False
        for group in self._groups:
            if one in group.members:
                group.members.remove(one)
        self._open.discard(one)
        if self._testing is not None and not self._open:
            self._passed()

    def died(self) -> None:
        """The engine died: those in flight are suspects, and nothing is sent until `revived`."""
        self._is_closed = True
        if self._testing is not None:
            left = [one for one in self._testing.members if one in self._open]
            self._testing = None
            self._open = set()
            if len(left) == 1:
                left[0].deaths += 1
            suspects = left
            if self._groups:
                self._groups[0].is_guilty = False  # the cause may lie in this half alone
        else:
            suspects = list(self._in_flight)
            if len(suspects) == 1:
                suspects[0].deaths += 1
        self._in_flight.clear()
        for one in suspects:
            one.is_suspect = True
            one.turn.clear()
        if suspects:
            self._groups.extendleft(reversed(list(_halves(suspects))))

    def revived(self) -> None:
        """The engine answers again."""
        self._is_closed = False
        self._next()

    def _passed(self) -> None:
        """All of a group were answered: what is left of their larger group holds the cause."""
        self._testing = None
        if self._groups and self._groups[0].is_guilty and len(self._groups[0].members) > 1:
            rest = self._groups.popleft()
            self._groups.extendleft(reversed(list(_halves(rest.members))))
        if not self._is_closed:
            self._next()

    def _next(self) -> None:
        while self._groups and not self._groups[0].members:
            self._groups.popleft()
        if self._groups:
            self._testing = self._groups.popleft()
            self._open = set(self._testing.members)
            for one in self._testing.members:
                one.turn.set()
            return
        while self._waiting:
            self._waiting.popleft().turn.set()


def _halves(suspects: list[Suspect]) -> Iterator[_Group]:
    """Two groups; once the first has been found harmless, the second is known to be guilty."""
    middle = (len(suspects) + 1) // 2
    yield _Group(suspects[:middle])
    if suspects[middle:]:
        yield _Group(suspects[middle:], is_guilty=True)
