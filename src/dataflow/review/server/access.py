"""Who may speak to the review server: whoever has the address with its token, from its own page.

* The server listens on loopback unless it is told otherwise.
* Each request bears the token: the page's address does, then a cookie that other sites do not send.
* ``Host`` must be the server's own, so that no other name can be pointed at it (DNS rebinding).
* What changes something must come from the page itself (``Origin``).
* The content security policy lets nothing run or load but the server's own files.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

COOKIE = "dataflow-review"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Access:
    """The rules for one server.

    Args:
        hosts: The names and addresses with ports under which it may be called, ``localhost:8000``.
        token: What the address bears; None for a new random one.
    """

    def __init__(self, hosts: frozenset[str], token: str | None = None) -> None:
        self._hosts = hosts
        self.token = token or secrets.token_urlsafe(24)

    @property
    def middleware(self) -> Middleware:
        """What every request passes."""

        @web.middleware
        async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
            refusal = self._refusal(request)
            if refusal is not None:
                return web.json_response(
                    {"error": refusal}, status=HTTPStatus.FORBIDDEN, headers=HEADERS
                )
            response = await handler(request)
            if not response.prepared:
                response.headers.update(
                    {name: value for name, value in HEADERS.items() if name not in response.headers}
                )
                if "token" in request.query:
                    response.set_cookie(COOKIE, self.token, httponly=True, samesite="Strict")
            return response

        return checked

    def _refusal(self, request: web.Request) -> str | None:
        if request.headers.get("Host", "").lower() not in self._hosts:
            return "this server does not go by that name; open the address that it printed"
        if request.method not in ("GET", "HEAD"):
            origin = request.headers.get("Origin", "").lower()
            if origin not in {f"http://{host}" for host in self._hosts}:
                return "changes are taken from the review page only"
        given = request.query.get("token") or request.cookies.get(COOKIE) or ""
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return "the address lacks its token; open the address that the server printed"
        return None
