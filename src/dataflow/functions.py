"""The functions of ``import dataflow``: what the command line can, with the same words.

Each takes a dataset and, as keywords, the options of the command of its name: ``--max-side 768`` is
``max_side=768``. They show progress and a summary on stderr or in the notebook, unless
``quiet=True``.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from dataflow.app.caption import CaptionResult
from dataflow.app.estimate import EstimateResult
from dataflow.app.options.commands.caption import CaptionOptions, CaptionSettings
from dataflow.app.options.commands.check import CheckOptions, CheckSettings
from dataflow.app.options.commands.estimate import EstimateOptions, EstimateSettings
from dataflow.app.options.option import Options, option_fields
from dataflow.app.quality.check import CheckResult
from dataflow.app.quality.fix import FixResult
from dataflow.core.errors import DataflowError, StopRunError
from dataflow.core.errors.tracebacks import shortened
from dataflow.core.settings import PATH
from dataflow.engine.reporting.status import Status

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
Rows = TypeVar("Rows")


class CaptionFunction(Protocol[P]):
    """Files give a `CaptionResult`; a list of dicts or a DataFrame gives the same back."""

    @overload
    def __call__(
        self, source: str | os.PathLike[str], *args: P.args, **options: P.kwargs
    ) -> CaptionResult: ...
    @overload
    def __call__(
        self, source: list[dict[str, Any]], *args: P.args, **options: P.kwargs
    ) -> list[dict[str, Any]]: ...
    @overload
    def __call__(self, source: Rows, *args: P.args, **options: P.kwargs) -> Rows: ...


class DatasetFunction(Protocol[P, R]):
    """A dataset and options give a result."""

    def __call__(self, source: str | os.PathLike[str], *args: P.args, **options: P.kwargs) -> R:
        """Do it."""
        ...


def _as_caption(
    settings: Callable[P, CaptionSettings],
) -> Callable[[Callable[..., Any]], CaptionFunction[P]]:
    """Gives a function the keywords of `settings`, for type checkers and for ``help``."""
    return functools.partial(_with_options, settings)


def _as_dataset(
    settings: Callable[P, Options],
    _result: type[R],
) -> Callable[[Callable[..., Any]], DatasetFunction[P, R]]:
    """Likewise, for datasets that are files."""
    return functools.partial(_with_options, settings)


def _with_options(settings: Any, function: Callable[..., Any]) -> Any:
    @functools.wraps(function)
    def call(source: Any, **options: Any) -> Any:
        known = {field.name for field in option_fields(settings)}
        wrong = next((name for name in options if name not in known), None)
        if wrong is not None:
            raise TypeError(_no_such_option(function.__name__, wrong, sorted(known)))
        try:
            return function(source, **options)
        except DataflowError as error:
            words = _in_python(error.message, settings)
            error.message, error.args = words, (words, *error.args[1:])
            raise shortened(error) from error.__cause__
        except BaseException as error:  # noqa: BLE001 - it is raised again
            raise shortened(error) from error.__cause__

    own = inspect.Parameter("source", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    keywords = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.kind
        )
        for field in option_fields(settings)
    ]
    call.__signature__ = inspect.Signature([own, *keywords])  # type: ignore[attr-defined]
    lines = [f"    {field.name}: {field.option.help}" for field in option_fields(settings)]
    call.__doc__ = "\n".join([inspect.cleandoc(function.__doc__ or ""), "", "Options:", *lines])
    return call


def _no_such_option(function: str, name: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, n=3)
    cure = f"did you mean {' or '.join(near)}?" if near else f"see help(dataflow.{function})"
    return f"{function}() has no option {name!r}; {cure}"


def _in_python(message: str, settings: type[Options]) -> str:
    """`message` with options as Python has them: ``max_side`` for ``--max-side``."""
    names = {flag: f.name for f in option_fields(settings) for flag in f.flags}
    return re.sub(r"(?<![\w-])(--[a-z][a-z-]*|-[a-z]\b)", lambda m: names.get(m[0], m[0]), message)


def _reporter(*, quiet: bool) -> Any:
    from dataflow.display.terminal import stderr_reporter

    return stderr_reporter(is_quiet=quiet)


@_as_caption(CaptionSettings)
def caption(source: Any, **options: Any) -> Any:
    """Caption every picture of `source`; call it again to resume after a stop.

    Args:
        source: A folder of pictures, a dataset file, a pattern or a URL, as on the command line; or
            a list of dicts or a pandas DataFrame with a column of pictures.
        options: The options of `dataflow caption`.

    Returns:
        A `CaptionResult` for files; the same kind of rows with a caption column for rows.

    Raises:
        UsageError: The options are wrong or contradict each other.
        StopRunError: The run stopped, and a person must act; everything done is kept.
    """
    from dataflow.app.caption import caption as captioned

    reporter = _reporter(quiet=options.get("quiet", False))
    if not isinstance(source, (str, os.PathLike)):
        from dataflow.app.planning.rows import caption_rows

        return _run(reporter, lambda: caption_rows(source, options, reporter))
    spec = CaptionOptions(source=_path(source), **options)
    return _run(reporter, lambda: captioned(spec, reporter))


@_as_dataset(EstimateSettings, EstimateResult)
def estimate(source: Any, **options: Any) -> Any:
    """Estimate the requests, tokens and cost of captioning `source`; asks no model by itself.

    Args:
        source: As for `caption`: a folder, a dataset file, a pattern or a URL.
        options: The options of `dataflow estimate`.

    Returns:
        An `EstimateResult`.
    """
    from dataflow.app.estimate import estimate as estimated

    reporter = _reporter(quiet=options.get("quiet", False))
    spec = EstimateOptions(source=_path(source), **options)
    found = _run(reporter, lambda: estimated(spec, reporter))
    if not spec.quiet:
        from dataflow.display.estimate import show_estimate

        show_estimate(found, reporter.console)
    return found


@_as_dataset(CheckSettings, CheckResult)
def check(source: Any, **options: Any) -> Any:
    """Check the captions of a dataset; nothing is changed.

    Args:
        source: A dataset with captions, or a folder of pictures with caption files.
        options: The options of `dataflow check`.

    Returns:
        A `CheckResult`.
    """
    from dataflow.app.quality.check import check as checked

    reporter = _reporter(quiet=options.get("quiet", False))
    spec = CheckOptions(**_for_check(source, options))
    return _run(reporter, lambda: checked(spec, reporter))


@_as_dataset(CheckSettings, FixResult)
def fix(source: Any, **options: Any) -> Any:
    """Ask again for the captions of a dataset that have a fault, and write it with the new ones.

    Args:
        source: As for `check`.
        options: The options of `dataflow check --fix`; ``fixed`` is where the dataset goes.

    Returns:
        A `FixResult`.
    """
    from dataflow.app.quality.fix import fix as fixed

    reporter = _reporter(quiet=options.get("quiet", False))
    spec = CheckOptions(**_for_check(source, {**options, "fix": True}))
    return _run(reporter, lambda: fixed(spec, reporter))


def status(output: str | os.PathLike[str]) -> Status:
    """How far the run of `output` is: while it works, after it ended, and after a crash.

    Args:
        output: The output of a run, which need not exist yet.

    Raises:
        UsageError: No run has written or will write there.
    """
    from dataflow.app.status import status as found

    return found(_path(output))


def _for_check(source: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    return {**options, "output": _path(source)}


def _path(source: Any) -> str:
    path: str = PATH.take("the dataset", source)
    return path


def _run(reporter: Any, work: Callable[[], Any]) -> Any:
    """Do `work`, and say how to resume where it is stopped."""
    try:
        return work()
    except KeyboardInterrupt:
        reporter.say(
            "Stopped; every answer is kept. Call the same function again to resume.",
            is_warning=True,
        )
        raise
    except StopRunError:
        if reporter.has_answers:
            reporter.say(
                "What is done is kept. Call the same function again to resume.", is_warning=True
            )
        raise
