"""Makes small ICC profiles, for pictures that name their colours without one.

Format: ICC.1:2022 (profile version 4), sections 7 and 10.18 (parametric curves). The colours are
brought to the profile's D50 white as annex E says, by the Bradford transform.
"""

from __future__ import annotations

import struct
from typing import TypeAlias

Vector: TypeAlias = "tuple[float, float, float]"
Matrix: TypeAlias = "tuple[Vector, Vector, Vector]"
Chromaticities: TypeAlias = "tuple[float, float, float, float, float, float, float, float]"
"""x and y of white, red, green and blue (CIE 1931)."""

SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""IEC 61966-2-1 as a parametric curve of type 3."""

_D50: Vector = (0.9642, 1.0, 0.8249)
_BRADFORD: Matrix = (
    (0.8951, 0.2664, -0.1614),
    (-0.7502, 1.7135, 0.0367),
    (0.0389, -0.0685, 1.0296),
)


def matrix_profile(colours: Chromaticities, curve: tuple[float, ...]) -> bytes:
    """An ICC profile of an RGB space.

    Args:
        colours: Its white and primaries.
        curve: Parameters of its transfer curve: one for a plain power, five for type 3.

    Raises:
        ValueError: the primaries span no space.
        struct.error: they are beyond what a profile can hold.
    """
    columns = transpose(to_d50(colours))
    white = _tag(b"XYZ ", _D50)
    trc = _curve(curve)
    tags = [
        (b"wtpt", white),
        *((name, _tag(b"XYZ ", column)) for name, column in zip(_COLUMNS, columns, strict=True)),
        *((name, trc) for name in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags:
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    size = at + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x04000000, b"mntr", b"RGB ", b"XYZ ")
    head += b"\0" * 12 + b"acsp" + b"\0" * 28 + struct.pack(">3i", *map(_fixed, _D50))
    return head.ljust(128, b"\0") + table + body


_COLUMNS = (b"rXYZ", b"gXYZ", b"bXYZ")


def to_d50(colours: Chromaticities) -> Matrix:
    """The matrix from linear RGB of a space to XYZ under D50."""
    white, *primaries = (_xyz(x, y) for x, y in zip(colours[::2], colours[1::2], strict=True))
    matrix = transpose((primaries[0], primaries[1], primaries[2]))
    scale = apply(inverse(matrix), white)
    to_xyz: Matrix = tuple(  # type: ignore[assignment]
        tuple(value * factor for value, factor in zip(row, scale, strict=True)) for row in matrix
    )
    have, want = apply(_BRADFORD, white), apply(_BRADFORD, _D50)
    gains = [w / h for w, h in zip(want, have, strict=True)]
    adapted: Matrix = tuple(  # type: ignore[assignment]
        tuple(value * gain for value in row) for row, gain in zip(_BRADFORD, gains, strict=True)
    )
    return multiply(multiply(inverse(_BRADFORD), adapted), to_xyz)


def multiply(a: Matrix, b: Matrix) -> Matrix:
    """The product of two matrices."""
    columns = transpose(b)
    return tuple(  # type: ignore[return-value]
        tuple(sum(x * y for x, y in zip(row, column, strict=True)) for column in columns)
        for row in a
    )


def apply(matrix: Matrix, vector: Vector) -> Vector:
    """The product of a matrix and a vector."""
    return tuple(  # type: ignore[return-value]
        sum(x * y for x, y in zip(row, vector, strict=True)) for row in matrix
    )


def transpose(matrix: Matrix) -> Matrix:
    """Rows for columns."""
    return tuple(zip(*matrix, strict=True))  # type: ignore[return-value]


def inverse(matrix: Matrix) -> Matrix:
    """The inverse of a matrix.

    Raises:
        ValueError: it has none.
    """
    (a, b, c), (d, e, f), (g, h, i) = matrix
    cofactors = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    determinant = a * cofactors[0][0] + b * cofactors[1][0] + c * cofactors[2][0]
    if abs(determinant) < 1e-9:
        raise ValueError("the primaries span no colour space")
    return tuple(  # type: ignore[return-value]
        tuple(value / determinant for value in row) for row in cofactors
    )


def _xyz(x: float, y: float) -> Vector:
    if y <= 0:
        raise ValueError("a chromaticity without light")
    return x / y, 1.0, (1 - x - y) / y


def _tag(kind: bytes, values: Vector) -> bytes:
    return kind + b"\0" * 4 + struct.pack(">3i", *map(_fixed, values))


def _curve(parameters: tuple[float, ...]) -> bytes:
    kind = 0 if len(parameters) == 1 else 3
    packed = struct.pack(f">{len(parameters)}i", *map(_fixed, parameters))
    return b"para" + b"\0" * 4 + struct.pack(">HH", kind, 0) + packed


def _fixed(value: float) -> int:
    return round(value * 65536)
