"""What all operators that look at pictures share: their arguments, checked, and their run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dataflow.core.errors import UsageError
from dataflow.core.protocols.operator import OperatorABC
from dataflow.core.protocols.serving import LLMServingABC
from dataflow.core.protocols.storage import DataFlowStorage
from dataflow.core.settings import ANY_TEXT, NAME, SERVING, value_text
from dataflow.operators.core_vision.options import OperatorOptions, OperatorRunOptions
from dataflow.operators.core_vision.prompts import Prompt
from dataflow.operators.core_vision.request_builder import RowRequests

DEFAULT_SYSTEM = "You are a helpful assistant."

if TYPE_CHECKING:
    from dataflow.operators.core_vision.run_step.operator_run import OperatorRun


class VisionOperator(OperatorABC):
    """An operator that asks a model about each row's pictures.

    Args:
        serving: The model.
        system_prompt: Sent as the system message of every request; none where it is empty.
        options: What is asked, and what its answers must be.

    Raises:
        UsageError: a value is not what its argument takes.
    """

    def __init__(
        self, serving: LLMServingABC, system_prompt: str, options: OperatorOptions
    ) -> None:
        self.serving = check_serving(serving)
        self.system_prompt: str = ANY_TEXT.take("system_prompt", system_prompt)
        self.options = options
        from dataflow.operators.core_vision.quality import quality_policy

        quality_policy(options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.serving!r}, system_prompt={self.system_prompt!r:.60})"

    def start(self, *args: Any, **kwargs: Any) -> OperatorRun[Any]:
        """Begin what `run` does with these arguments, in a thread of its own.

        Returns:
            The run: ``result()``, ``stop()``, ``progress``; it can be awaited.
        """
        from dataflow.operators.core_vision.run_step.operator_run import OperatorRun

        return OperatorRun(lambda: self.run(*args, **kwargs))

    async def arun(self, *args: Any, **kwargs: Any) -> Any:
        """`run`, awaited: the event loop stays free, and cancellation stops the run.

        Raises:
            asyncio.CancelledError: the waiting task was cancelled; what is done is kept.
            Exception: what `run` raises.
        """
        return await self.start(*args, **kwargs)

    def stop(self, *, at_once: bool = False) -> None:
        """Stop every run of this operator, from any thread; what is in flight is kept.

        Args:
            at_once: Whether what is in flight is given up too.
        """
        from dataflow.operators.core_vision.run_step.operator_run import stop_all

        stop_all(self, at_once=at_once)

    def _prompt(self, name: str, **more: Any) -> Prompt:
        options = self.options
        is_own = self.system_prompt not in ("", DEFAULT_SYSTEM)
        return Prompt(
            name,
            system=self.system_prompt if is_own else None,
            n=options.n,
            preset=options.preset,
            schema=options.schema,
            flatten=options.flatten,
            schema_as=options.schema_as,
            **more,
        )

    def _answer(
        self,
        storage: DataFlowStorage,
        prompts: Sequence[Prompt],
        options: OperatorRunOptions,
        **columns: Any,
    ) -> list[str]:
        """Ask `prompts` about each row of the storage's step; returns the columns that are added.

        `columns` says where the rows have what: fields of `RowRequests`.
        """
        check_storage(storage)
        # the engine, for which an import need not wait
        from dataflow.operators.core_vision.quality import quality_policy, with_own_quality
        from dataflow.operators.core_vision.run_step.answer_rows import answer_rows
        from dataflow.operators.core_vision.run_step.operator_run import handle_of

        asked = with_own_quality(prompts, self.options)
        requests = RowRequests(
            system_prompt=ANY_TEXT.take("system_prompt", self.system_prompt),
            prompts=asked,
            **columns,
        )
        judging = quality_policy(self.options, asked)
        with handle_of(self) as handle:
            answer_rows(
                storage,
                check_serving(self.serving),
                requests,
                options=options,
                limits=self.options.limits,
                judging=judging,
                on_start=handle.attach,
            )
        return [name for prompt in prompts for name in prompt.column.holds]


def column_name(argument: str, value: object) -> str:
    """The name of a column that was given for `argument`.

    Raises:
        UsageError: it is no text, or an empty one.
    """
    name: str = NAME.take(argument, value)
    return name


def optional_column(argument: str, value: object) -> str | None:
    """As `column_name`, where None stands for no column."""
    return None if value is None else column_name(argument, value)


def check_serving(serving: Any) -> LLMServingABC:
    """Refuse what is no serving.

    Raises:
        UsageError: it is a class, or has no `generate_from_input`.
    """
    found: LLMServingABC = SERVING.take("serving", serving)
    return found


def check_storage(storage: Any) -> None:
    """Refuse what is no storage.

    Raises:
        UsageError: it is a class, or has no `read` or `write`.
    """
    is_storage = all(callable(getattr(storage, name, None)) for name in ("read", "write"))
    if isinstance(storage, type) or not is_storage:
        raise UsageError(
            "storage must be an object with read() and write(), such as FileStorage(…), not "
            f"{value_text(storage)}"
        )
