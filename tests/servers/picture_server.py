"""A server of pictures on the loopback address, which counts how often it is asked for each."""

from __future__ import annotations

import io
from collections import Counter
from typing import final

from aiohttp import web
from PIL import Image

from tests.loop_thread import LoopThread


def jpeg(number: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A JPEG unlike that of any other number, that is sent as it is where it is small."""
    file = io.BytesIO()
    Image.new("RGB", size, (number * 7 % 256, number * 31 % 256, 90)).save(file, "JPEG")
    return file.getvalue()


@final
class PictureServer:
    """Answers ``/<number>.jpg`` with that picture, whatever the query says.

    Attributes:
        asked: How often each path was asked for, with its query.
        instead: Path → what is answered in place of the picture: a body, or a status.
        url: Where it is.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.instead: dict[str, bytes | int] = {}

    def __enter__(self) -> PictureServer:
        self._loop = LoopThread()
        self._loop.run(self._start(), 10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run(self._runner.cleanup(), 10)
        self._loop.stop()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_get("/{name}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked[request.path_qs] += 1
        instead = self.instead.get(request.path)
        if isinstance(instead, int):
            return web.Response(status=instead)
        number = int(request.path[1:].partition(".")[0])
        return web.Response(body=jpeg(number) if instead is None else instead)
