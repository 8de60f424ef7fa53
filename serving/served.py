"""What is served: which methods a path takes, over the mounted routes and BentoML's native endpoints."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import Match

from serving.asgi import Scope
from serving.metrics import METHODS
from serving.openapi import Endpoint


class Served:
    """The paths of one service."""

    def __init__(self, routes: FastAPI, native: tuple[Endpoint, ...]) -> None:
        self._routes, self._native = routes.router.routes, {endpoint.path for endpoint in native}

    def methods(self, scope: Scope) -> list[str]:
        """The methods that the request's path takes, its own alone where that is one; none where nothing is served."""
        if scope["path"] in self._native:
            return ["POST"]
        if self._takes(scope, scope["method"]):
            return [scope["method"]]
        return [method for method in METHODS if self._takes(scope, method)]

    def _takes(self, scope: Scope, method: str) -> bool:
        asked = {**scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(asked)[0] is Match.FULL for route in self._routes)
