"""Has the same caption been given to many different pictures?"""

from __future__ import annotations

from hashlib import blake2b

from dataflow.checks.rules.text import clipped
from dataflow.core.errors import UsageError
from dataflow.core.protocols.check import CheckContext, Verdict

_KEPT = 100_000
"""New captions between two clearings, and captions that outlast one."""


class Repeated:
    """A check over a stream of captions, in bounded memory.

    Captions are compared without regard to case, blanks and a full stop at their end. The first
    `most` pictures with a caption pass: when they come nobody can know what will follow. After
    every 100,000 new captions those that came once are forgotten, and the rarest of the others
    where they are more than 100,000 (after Manku and Motwani, "Approximate Frequency Counts over
    Data Streams", 2002): so the same caption is missed where its pictures lie far apart.

    Args:
        most: So many different pictures may have the same caption.

    Raises:
        UsageError: it is below 1.
    """

    def __init__(self, most: int = 3) -> None:
        if most < 1:
            raise UsageError(f"max_duplicates is at least 1, not {most}")
        self._most = most
        self._seen: dict[bytes, tuple[int, ...]] = {}
        self._fresh = 0

    def __call__(self, text: str, context: CheckContext) -> Verdict | None:
        """Note a caption; returns the verdict where too many pictures have it already."""
        pictures = context.digests or context.pictures
        picture = hash(pictures) if pictures else None
        return self.note(key_of(text), picture, text)

    def note(self, key: bytes, picture: int | None, text: str) -> Verdict | None:
        """Note the caption `text`, whose key is known, of a picture; None for an unknown one."""
        pictures = self._seen.get(key, ())
        if picture is None:
            picture = len(pictures)  # it counts as another one
        if picture in pictures:
            return None
        if len(pictures) >= self._most:
            return Verdict(
                "repeated",
                f"{self._most} other pictures have this caption too: “{clipped(text)}”",
                "Say what sets this picture apart from others like it.",
            )
        if not pictures:
            self._make_room()
        self._seen[key] = (*pictures, picture)
        return None

    def _make_room(self) -> None:
        self._fresh += 1
        least = 2
        while self._fresh % _KEPT == 0 and len(self._seen) > _KEPT and least <= self._most + 1:
            self._seen = {key: seen for key, seen in self._seen.items() if len(seen) >= least}
            least += 1


def key_of(text: str) -> bytes:
    """What captions have in common that count as the same."""
    plain = " ".join(text.casefold().split()).rstrip(".。")
    return blake2b(plain.encode("utf-8", "backslashreplace"), digest_size=8).digest()
