"""For pipelines of Ray Data: a class that captions batches of rows.

    from dataflow.ray import Captioner

    captioned = dataset.map_batches(
        Captioner,
        fn_constructor_kwargs={"api_url": "http://gpu-1:8000/v1", "model": "qwen2.5-vl-7b"},
        concurrency=4,
        batch_size=64,
    )

Ray is not imported here. `dataflow caption --ray` keeps a journal, so that nothing is paid for
twice; this class has none, and a batch that Ray repeats is asked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.planning.engine import serving_of
from dataflow.app.planning.rows import caption_rows

__all__ = ["Captioner"]


class Captioner:
    """Adds a caption to each row of a batch; one that fails has None, and the kind of failure.

    An instance keeps its engine for all its batches: one of this machine is started by the first
    one. Equal requests of a batch are asked once.

    Args:
        image: The column with the pictures: paths, URLs or encoded bytes.
        caption: The column that gets the caption.
        error: The column that gets the kind of failure where there is none, such as
            ``"picture_missing"``; see docs/errors.md.
        options: As those of `dataflow.caption`, which say who is asked and what: ``api_url``,
            ``vllm``, ``model``, ``prompt``, ``preset`` …

    Raises:
        UsageError: there is no such option, or the options contradict each other.
    """

    def __init__(
        self,
        *,
        image: str = "image",
        caption: str = "caption",
        error: str = "caption_error",
        **options: Any,
    ) -> None:
        self._error = error
        self._options = {**options, "image_key": image, "output_key": caption, "meta": True}
        self._caption = caption
        self._serving = serving_of(
            CaptionOptions(source="", **self._options), _unheard, needs_key=True
        )

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The batch with both columns added.

        Args:
            batch: Columns of equal length, as Ray Data's ``batch_format="numpy"`` has them.

        Raises:
            StopRunError: nothing can be captioned until a person acts.
        """
        columns = {name: _listed(values) for name, values in batch.items()}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        found = caption_rows(rows, self._options, serving=self._serving)
        meta = f"{self._caption}_meta"
        kept = batch if len(found) == len(rows) else {n: [r[n] for r in found] for n in columns}
        return {
            **kept,
            self._caption: [row[self._caption] for row in found],
            self._error: [_reason(row[meta]) for row in found],
        }

    def close(self) -> None:
        """End the engine, where it is one of this machine; Ray does so by ending the process."""
        self._serving.cleanup()


def _unheard(name: str, here: int, size: int) -> None:
    """A model's download is shown to nobody."""


def _listed(values: Any) -> list[Any]:
    found: list[Any] = values.tolist() if hasattr(values, "tolist") else list(values)
    return found


def _reason(meta: Mapping[str, Any]) -> str | None:
    status = meta["status"]
    return None if status == "ok" else str(meta["verdict"] or status)
