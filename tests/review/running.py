"""A review served from a thread, over a real socket."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

from PIL import Image

from dataflow.review.session import ReviewSession, ReviewSpec

TEXTS = (
    "A red car on a street.",
    "I'm sorry, but I cannot help with that.",
    "A red bus. A red bus. A red bus. A red bus. A red bus. A red bus. A red bus.",
    "A blue car beside a tree.",
    "",
    "A green field under a wide sky.",
    '<img src=x onerror="document.title=1"><script>document.title=2</script>',
    "A brown dog looks at the camera.",
)


class RunningReview:
    """A review served from a thread; `address` opens it."""

    def __init__(self, spec: ReviewSpec) -> None:
        self.session = ReviewSession(spec)
        self.address = ""
        self._loop = asyncio.new_event_loop()
        self._until = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        assert self._ready.wait(20)

    def stop(self) -> None:
        """End the server; open pages lose it."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._until.set)
            self._thread.join(20)
            self.session.close()

    def _work(self) -> None:
        def ready(address: str) -> None:
            self.address = address
            self._ready.set()

        self._loop.run_until_complete(self.session.serve(ready, until=self._until))
        self._loop.run_until_complete(_cancel_all())
        self._loop.close()


async def _cancel_all() -> None:
    """End what open pages left behind."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def make_dataset(folder: Path, texts: tuple[str, ...] = TEXTS) -> Path:
    """A dataset with pictures beside it."""
    lines = []
    for number, text in enumerate(texts):
        color = (40 * number % 256, 200 - 20 * number % 200, 90)
        Image.new("RGB", (320, 240), color).save(folder / f"{number}.png")
        lines.append(json.dumps({"image": f"{number}.png", "caption": text}))
    path = folder / "captions.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
