"""The failed items of a serving's list calls, each thread's own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from dataflow.core.errors import DataflowError

_NONE: Mapping[int, DataflowError] = MappingProxyType({})


class CallErrors:
    """What failed in the latest call; copies and pickles begin with nothing."""

    def __init__(self) -> None:
        self._own = threading.local()
        self._latest = _NONE

    def __reduce__(self) -> tuple[Any, ...]:
        return (CallErrors, ())

    def note(self, errors: Mapping[int, DataflowError]) -> None:
        """Keep `errors` as those of this thread's latest call."""
        self._latest = self._own.errors = MappingProxyType(dict(errors))

    def of_this_thread(self) -> Mapping[int, DataflowError]:
        """Those of this thread's latest call; of any thread's, where this one made none."""
        found: Mapping[int, DataflowError] = getattr(self._own, "errors", self._latest)
        return found
