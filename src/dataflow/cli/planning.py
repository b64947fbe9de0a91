"""The run that the arguments ask for; the commands that make it or tell of it share them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dataflow.checks.empty import empty
from dataflow.cli.engines import EngineChoice
from dataflow.cli.show import fetch_shown_in
from dataflow.core.dataset import Reader
from dataflow.core.errors import InputError, UsageError
from dataflow.engine.job import Output, Plan
from dataflow.engine.progress import Progress
from dataflow.formats.registry import open_reader, writer_for
from dataflow.images.limits import Limits
from dataflow.operators.core_vision.row_requests import RowRequests
from dataflow.serving.conversation import DEFAULT_QUESTION


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a command was given, by the names of its options (`cli/options.py` tells of each)."""

    source: str
    output: str | None
    model: str | None
    mmproj: str | None
    vllm: str | None
    api_url: list[str] | None
    key_env: list[str] | None
    key_file: str | None
    image_key: str
    output_key: str
    overwrite_column: bool
    system_prompt: str
    prompt: str | None
    concurrency: int | None
    limit: int | None
    skip_bad_rows: bool
    max_tokens: int | None
    temperature: float | None
    seed: int | None
    max_side: int
    fresh: bool
    retry_failed: bool
    timeout: float
    allow_private_urls: bool
    image_root: str | None
    durable: bool = False
    give_up_after: float = 600.0
    needs_key: bool = True

    def plan(self) -> Plan:
        """The run; nothing is started, asked or written yet.

        Raises:
            UsageError: the arguments contradict each other.
            StopRunError: the dataset or the engine cannot be had.
        """
        _check_folder(self.image_root)
        reader = _reader(self.source, self.image_key, skip_bad_rows=self.skip_bad_rows)
        target = _target(self.source, self.output, fresh=self.fresh)
        progress = Progress()
        engine = self._engine(progress)
        open_writer = writer_for(target, reader, [self.output_key])
        return Plan(
            reader=reader,
            request_of=self._requests(reader),
            serving=engine.serving(),
            output=Output(target, self.output_key, open_writer, self.overwrite_column),
            checks=[empty],
            limits=Limits(
                max_side=self.max_side,
                allow_private_urls=self.allow_private_urls,
                image_root=self.image_root,
            ),
            concurrency=self.concurrency,
            limit=self.limit,
            fresh=self.fresh,
            retry_failed=self.retry_failed,
            durable=self.durable,
            give_up_after=self.give_up_after,
            progress=progress,
        )

    def _requests(self, reader: Reader) -> RowRequests:
        return RowRequests(
            folders=[reader.folder(), os.curdir],
            system_prompt=self.system_prompt,
            image_key=self.image_key,
            conversation_key=None if self.prompt else "conversation",
            question=self.prompt or DEFAULT_QUESTION,
            image_root=self.image_root,
        )

    def _engine(self, progress: Progress) -> EngineChoice:
        sampling = {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "seed": self.seed,
        }
        return EngineChoice(
            model=self.model,
            mmproj=self.mmproj,
            vllm=self.vllm,
            api_urls=self.api_url or [],
            key_envs=self.key_env or [],
            key_file=self.key_file,
            concurrency=self.concurrency,
            sampling=sampling,
            timeout=self.timeout,
            on_fetch=fetch_shown_in(progress),
            needs_key=self.needs_key,
        )


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
