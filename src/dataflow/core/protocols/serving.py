"""The seam between the pipeline and the engines.

`LLMServingABC` is what users' own servings implement: lists in, lists out. `AsyncServing` is what
the pipeline drives: one attempt at one request, many at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

from dataflow.core.picture import Picture
from dataflow.core.request import Reply, Request

if TYPE_CHECKING:
    from typing_extensions import Self


class LLMServingABC(ABC):
    """A model that answers a list of prompts with a list of texts, in the same order.

    Used in a ``with`` block it is closed at the end.
    """

    @abstractmethod
    def generate_from_input(self, user_inputs: list[str], system_prompt: str) -> list[str]:
        """Answer each of `user_inputs` under `system_prompt`; as many answers as inputs."""

    @abstractmethod
    def cleanup(self) -> None:
        """Give back what the serving holds: processes, memory, connections."""

    def close(self) -> None:
        """The same as `cleanup`."""
        self.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load_model(self, model_name_or_path: str, **kwargs: Any) -> None:
        """Load a model by hand; only servings that support it override this.

        Raises:
            TypeError: this serving loads its model by itself.
        """
        raise TypeError(f"{type(self).__name__} loads its model by itself; don't call load_model()")


class VLMServingABC(LLMServingABC):
    """A serving whose model also sees pictures."""


class Client(Protocol):
    """An open connection to an engine."""

    async def send(self, request: Request, pictures: Sequence[Picture]) -> Reply:
        """Make one attempt at `request`.

        Args:
            request: The question; its `ImageRef` parts stand for `pictures`, in order.
            pictures: The loaded pictures, one for each of `request.pictures`.

        Raises:
            RowError: this row cannot be answered.
            TryAgainError: this attempt failed; a later one may not.
            StopRunError: no row can be answered until a person acts.
        """
        ...


class AsyncServing(VLMServingABC):
    """A serving that the pipeline drives.

    Attributes:
        model: The model's name, as sent to the engine.
        max_workers: Requests in flight at most.
        is_local: Whether the engine is our own child process (it costs no money).
        api_urls: The APIs that are asked, by which a price is found; empty where there is none.
        adaptive_concurrency: Whether the best number in flight, up to `max_workers`, is found out
            while running; otherwise it is `max_workers`.
        self_limiting: Whether it finds the number in flight and heeds rate limits itself, since
            each of its endpoints has its own.
        penalty: The field of its requests that makes repeated words less likely, or empty where it
            takes none: ``"repetition_penalty"``, ``"repeat_penalty"`` or ``"frequency_penalty"``.
        loads_pictures: Whether it loads the pictures of its requests itself, where its engine is;
            `Client.send` is then called without any.
        may_change: Whether its answers may depend on more than `settings` says, so that answers of
            an earlier run may not be those it gives today.
    """

    model: str
    max_workers: int
    is_local: bool = False
    api_urls: Sequence[str] = ()
    adaptive_concurrency: bool = False
    self_limiting: bool = False
    penalty: str = ""
    loads_pictures: bool = False
    may_change: bool = False

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of the engine after a run, a sentence each.

        Parameters that it does not take, endpoints that were left out.
        """
        return ()

    def endpoint_counts(self) -> tuple[int, int]:
        """How many of its endpoints answer now, and how many it has."""
        return 1, 1

    def learned(self) -> Mapping[str, Mapping[str, Any]]:
        """What was learned of each model while asking it, by model and address; plain JSON.

        The journal keeps it, so that the next run begins with it.
        """
        return {}

    def recall(self, learned: Mapping[str, Mapping[str, Any]]) -> None:
        """Begin with what an earlier run has learned; nothing here.

        Args:
            learned: What `learned` gave then, perhaps of other models, too.
        """

    def prepare(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Have ready what `settings` is made of: a local engine's weights; called before a run.

        Args:
            stop: Asked now and then; True ends it with an error.

        Raises:
            StopRunError: it cannot be had.
        """

    @abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """Everything of this serving that determines an answer: model and sampling.

        Plain JSON values. A changed setting makes a changed request key: the row is asked again.
        """

    @abstractmethod
    def connect(self) -> AbstractAsyncContextManager[Client]:
        """Open the engine for the running event loop; a local engine is started if it is not up.

        Raises:
            StopRunError: on entry, when the engine cannot be had.
        """


def sampling_of(serving: AsyncServing, request: Request | None = None) -> dict[str, Any]:
    """By what `request` is sampled at `serving`: its own settings over the serving's.

    The serving's other settings are among them, for some servings do not part them.
    """
    settings = serving.settings()
    own = {} if request is None else request.sampling
    return {**settings, **settings.get("sampling", {}), **own}
