"""The root of every error that this package raises on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflow.core.secrets import redact

if TYPE_CHECKING:
    from typing_extensions import Self

    from dataflow.core.request import Usage


class DataflowError(Exception):
    """The root of every error this package raises on purpose.

    Args:
        message: What happened, where, and the cure; never holds a key or a picture's bytes.
        fields: Further facts, kept as attributes (see the subclasses).

    Attributes:
        usage: The tokens that the server counted for the failed attempt, which are paid for all
            the same; None where it said nothing.
        status: The HTTP status of the answer that it is made of; None where there was none.
    """

    kind: str = "error"
    usage: Usage | None = None
    status: int | None = None

    def __init__(self, message: str, **fields: Any) -> None:
        message = redact(message)
        fields = {name: _redacted(value) for name, value in fields.items()}
        super().__init__(message)
        self.message = message
        self._fields = fields
        for name, value in fields.items():
            setattr(self, name, value)

    def billed(self, usage: Usage) -> Self:
        """The same error, with what the attempt used."""
        self.usage = self._fields["usage"] = usage
        return self

    def with_status(self, status: int) -> Self:
        """The same error, with the HTTP status of the answer that it is made of."""
        self.status = self._fields["status"] = status
        return self

    def with_message(self, message: str) -> Self:
        """The same error in other words."""
        return type(self)(message, **self._fields)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self._fields))


def _redacted(value: Any) -> Any:
    return redact(value) if isinstance(value, str) else value


def _rebuild(cls: type[DataflowError], message: str, fields: dict[str, Any]) -> DataflowError:
    return cls(message, **fields)
