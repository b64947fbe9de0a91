"""A picture host in the test's own event loop."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from aiohttp import web

from dataflow.core.errors import RowError
from dataflow.images.base.limits import Limits
from dataflow.images.fetch import http as fetch_module
from dataflow.images.fetch.host import Failure, HostPolicy
from dataflow.images.loader import Loader
from dataflow.images.reference import parse_reference

QUICK = HostPolicy(
    pause=0.01,
    longest_pause=0.05,
    patience=0.5,
    patience_by_failure=tuple((how, 0.1) for how in Failure),
    given_up=0.5,
)


@pytest.fixture
def jpeg(encode, photo):
    return encode(photo, "JPEG")


@pytest.fixture
def impatient(monkeypatch):
    """``impatient(**policy)`` makes everything patient with hosts for tenths of seconds only."""

    def run(**policy):
        monkeypatch.setattr(fetch_module, "POLICY", dataclasses.replace(QUICK, **policy))

    return run


@pytest.fixture
def get(impatient):
    """``get(handler, paths, **limits)`` → what loading each gives from a server with `handler`.

    A path may hold ``{port}``; one without a scheme is on the server.
    """
    impatient()

    def run(handler, *paths, tls=None, bind="127.0.0.1", **options):
        limits = Limits(**{"allow_private_urls": True, "fetch_seconds": 5.0, **options})

        async def main():
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", handler)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, bind, 0, ssl_context=tls)
            await site.start()
            port = site._server.sockets[0].getsockname()[1]

            async def one(path):
                url = path.replace("{port}", str(port))
                if "://" not in url.partition("?")[0]:
                    url = f"http{'s' if tls else ''}://127.0.0.1:{port}/{url}"
                (ref,) = parse_reference(url, [])
                try:
                    return await loader.load(ref)
                except RowError as error:
                    return error

            try:
                async with Loader(limits) as loader:
                    return await asyncio.gather(*map(one, paths))
            finally:
                await runner.cleanup()

        return asyncio.run(main())

    return run


@pytest.fixture
def serve(jpeg):
    """A handler that answers every request with a JPEG and notes it in ``serve.seen``."""

    async def handler(request):
        handler.seen.append(request)
        return web.Response(body=jpeg, headers={"Set-Cookie": "a=b"})

    handler.seen = []
    return handler
