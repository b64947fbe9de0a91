"""Inputs near to good ones: a seed, cut, flipped, spliced and doubled here and there."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

NASTY_BYTES = (0x00, 0x01, 0x0A, 0x0D, 0x20, 0x22, 0x2C, 0x7F, 0x80, 0xC3, 0xED, 0xEF, 0xFE, 0xFF)
NASTY_NUMBERS = (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00")


@st.composite
def mutated(
    draw: st.DrawFn, seeds: Sequence[bytes], words: Sequence[bytes] = (), most: int = 6
) -> bytes:
    """One of `seeds` after up to `most` changes; `words` are what such inputs are made of."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, most))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, min(64, len(data) - at)))
        change = draw(st.integers(0, 7))
        if change == 0 and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif change == 1 and at < len(data):
            data[at] = draw(st.sampled_from(NASTY_BYTES))
        elif change == 2:
            data[at:at] = draw(st.sampled_from((*words, *NASTY_NUMBERS)))
        elif change == 3:
            word = draw(st.sampled_from((*words, *NASTY_NUMBERS)))
            data[at : at + len(word)] = word
        elif change == 4:
            del data[at : at + length]
        elif change == 5:
            data[at:at] = data[at : at + length] * draw(st.integers(1, 40))
        elif change == 6:
            other = draw(st.sampled_from(seeds))
            data[at:] = other[min(at, len(other)) :]
        elif change == 7 and draw(st.booleans()):
            del data[at:]
    return bytes(data)
