"""`dataflow caption`: a dataset in, the same dataset with captions out."""

from __future__ import annotations

import sys

import typer

from dataflow.cli import options
from dataflow.cli.codes import FAILED_ROWS, STOPPED
from dataflow.cli.console import console, go_on, say
from dataflow.cli.planning import Choices
from dataflow.cli.show import show_summary, showing
from dataflow.core.errors import StopRunError
from dataflow.engine.job import Plan
from dataflow.engine.progress import Summary
from dataflow.engine.runner import run
from dataflow.formats.registry import open_reader
from dataflow.images.shown import shown

LONGEST_SHOWN = 10_000
"""Characters of a caption that --show prints."""


def caption(
    source: options.Source,
    output: options.OutputFile = None,
    model: options.Model = None,
    mmproj: options.Mmproj = None,
    vllm: options.Vllm = None,
    api_url: options.ApiUrl = None,
    key_env: options.KeyEnv = None,
    key_file: options.KeyFile = None,
    image_key: options.ImageKey = "image",
    output_key: options.OutputKey = "caption",
    overwrite_column: options.OverwriteColumn = False,
    system_prompt: options.SystemPrompt = "",
    prompt: options.Prompt = None,
    concurrency: options.Concurrency = None,
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
    plan = Choices(
        source=source,
        output=output,
        model=model,
        mmproj=mmproj,
        vllm=vllm,
        api_url=api_url,
        key_env=key_env,
        key_file=key_file,
        image_key=image_key,
        output_key=output_key,
        overwrite_column=overwrite_column,
        system_prompt=system_prompt,
        prompt=prompt,
        concurrency=concurrency,
        limit=limit,
        skip_bad_rows=on_bad_row is options.OnBadRow.skip,
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
        max_side=max_side,
        fresh=fresh,
        retry_failed=retry_failed,
        durable=durable,
        timeout=timeout,
        give_up_after=give_up_after,
        allow_private_urls=allow_private_urls,
        image_root=image_root,
    ).plan()
    summary = _run(plan)
    if show:
        _print_captions(summary, image_key, output_key)
    if summary.failed or summary.skipped:
        raise typer.Exit(FAILED_ROWS)


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


def _print_captions(summary: Summary, image_key: str, output_key: str) -> None:
    if summary.output is None:
        return
    for row in open_reader(summary.output, picture_key=image_key).rows():
        name = row.fields.get(image_key, row.place)
        text = row.fields.get(output_key)
        line = f"{shown(str(name))}\t{shown(text or '(no caption)', LONGEST_SHOWN)}\n"
        sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()
