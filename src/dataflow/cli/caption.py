"""`dataflow caption`: a dataset in, the same dataset with captions out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from dataflow.checks.empty import empty
from dataflow.cli import options
from dataflow.cli.codes import FAILED_ROWS, STOPPED
from dataflow.cli.console import console, go_on, say
from dataflow.cli.engines import EngineChoice
from dataflow.cli.show import fetch_shown_in, show_summary, showing
from dataflow.core.dataset import Reader
from dataflow.core.errors import InputError, StopRunError, UsageError
from dataflow.engine.job import Output, Plan
from dataflow.engine.progress import Progress, Summary
from dataflow.engine.runner import run
from dataflow.formats.registry import open_reader, writer_for
from dataflow.images.limits import Limits
from dataflow.images.shown import shown
from dataflow.operators.core_vision.row_requests import RowRequests
from dataflow.serving.conversation import DEFAULT_QUESTION

LONGEST_SHOWN = 10_000
"""Characters of a caption that --show prints."""


def caption(
    source: options.Source,
    output: options.OutputFile = None,
    model: options.Model = None,
    mmproj: options.Mmproj = None,
    vllm: options.Vllm = None,
    api_url: options.ApiUrl = None,
    endpoints: options.Endpoints = None,
    key_env: options.KeyEnv = None,
    key_file: options.KeyFile = None,
    image_key: options.ImageKey = "image",
    output_key: options.OutputKey = "caption",
    overwrite_column: options.OverwriteColumn = False,
    system_prompt: options.SystemPrompt = "",
    prompt: options.Prompt = None,
    concurrency: options.Concurrency = None,
    rpm: options.Rpm = None,
    tpm: options.Tpm = None,
    limit: options.Limit = None,
    on_bad_row: options.BadRows = options.OnBadRow.fail,
    max_tokens: options.MaxTokens = None,
    temperature: options.Temperature = None,
    seed: options.Seed = None,
    max_side: options.MaxSide = 1024,
    fresh: options.Fresh = False,
    retry_failed: options.RetryFailed = False,
    durable: options.Durable = False,
    timeout: options.Timeout = 600.0,
    give_up_after: options.GiveUpAfter = 600.0,
    allow_private_urls: options.PrivateUrls = False,
    image_root: options.ImageRoot = None,
    show: options.Show = False,
) -> None:
    """Give every picture of INPUT a caption.

    Run the same command again to go on where it stopped: nothing is asked twice.
    """
    _check_folder(image_root)
    reader = _reader(source, image_key, skip_bad_rows=on_bad_row is options.OnBadRow.skip)
    target = _target(source, output, fresh=fresh)
    requests = _requests(reader, system_prompt, image_key, prompt, image_root)
    sampling = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
    progress = Progress()
    choice = EngineChoice(
        *(
            model,
            mmproj,
            vllm,
            api_url or [],
            endpoints,
            key_env or [],
            key_file,
            concurrency,
            sampling,
        ),
        timeout,
        fetch_shown_in(progress),
    )
    open_writer = writer_for(target, reader, [output_key])
    plan = Plan(
        reader=reader,
        request_of=requests,
        serving=choice.serving(),
        output=Output(target, output_key, open_writer, overwrite_column),
        checks=[empty],
        limits=Limits(
            max_side=max_side, allow_private_urls=allow_private_urls, image_root=image_root
        ),
        concurrency=concurrency,
        requests_per_minute=rpm,
        tokens_per_minute=tpm,
        limit=limit,
        fresh=fresh,
        retry_failed=retry_failed,
        durable=durable,
        give_up_after=give_up_after,
        progress=progress,
    )
    summary = _run(plan)
    if show:
        _print_captions(summary, image_key, output_key)
    if summary.failed or summary.skipped:
        raise typer.Exit(FAILED_ROWS)


def _requests(
    reader: Reader, system_prompt: str, image_key: str, prompt: str | None, image_root: str | None
) -> RowRequests:
    return RowRequests(
        folders=[reader.folder(), os.curdir],
        system_prompt=system_prompt,
        image_key=image_key,
        conversation_key=None if prompt else "conversation",
        question=prompt or DEFAULT_QUESTION,
        image_root=image_root,
    )


def _run(plan: Plan) -> Summary:
    try:
        with showing(plan.progress, console):
            summary = run(plan)
    except StopRunError as error:
        if not (plan.progress.requests or plan.progress.reused):
            raise
        say(f"error: {error.message}", style="red")
        say(f"What is done is kept. To go on, {go_on()}.")
        raise typer.Exit(STOPPED) from error
    finally:
        plan.serving.cleanup()
    show_summary(summary, console)
    return summary


def _check_folder(image_root: str | None) -> None:
    if image_root is not None and not Path(image_root).is_dir():
        raise UsageError(f"--image-root {image_root} is no folder")


def _reader(source: str, image_key: str, *, skip_bad_rows: bool) -> Reader:
    try:
        return open_reader(source, picture_key=image_key, skip_bad_rows=skip_bad_rows)
    except InputError as error:
        # nothing has begun yet: what was named on the command line is wrong
        raise UsageError(error.message) from error


def _target(source: str, output: str | None, *, fresh: bool) -> Path:
    given = Path(source)
    if output is None:
        whole = given.resolve()
        stem = whole.name if whole.is_dir() else whole.stem
        target = given.parent if given.name not in ("", ".", "..") else whole.parent
        target = target / f"{stem}.captions.jsonl"
    else:
        target = Path(output)
    if target.is_dir():
        raise UsageError(f"{target} is a folder; give a file name with -o")
    if target.exists() and target.samefile(given):
        raise UsageError(f"{target} is the input itself; choose another output")
    is_ours = target.with_name(target.name + ".journal").exists()
    if target.exists() and not is_ours and not fresh:
        raise UsageError(
            f"{target} exists and no former run made it; choose another output with -o, or "
            "overwrite it with --fresh"
        )
    return target


def _print_captions(summary: Summary, image_key: str, output_key: str) -> None:
    if summary.output is None:
        return
    for row in open_reader(summary.output, picture_key=image_key).rows():
        name = row.fields.get(image_key, row.place)
        text = row.fields.get(output_key)
        line = f"{shown(str(name))}\t{shown(text or '(no caption)', LONGEST_SHOWN)}\n"
        sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()
