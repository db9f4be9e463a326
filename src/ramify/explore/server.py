"""Serve the explorer over HTTP: read-only, with a token where another machine can reach it."""

import asyncio
import csv
import hmac
import io
import ipaddress
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import polars as pl
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from ramify.errors import RamifyError
from ramify.explore import pages
from ramify.explore.completions import PAGE, export, record, search
from ramify.explore.filters import Filters
from ramify.explore.puzzle_page import puzzle_page
from ramify.explore.query import number_of
from ramify.explore.rendering import policy
from ramify.explore.source import Source

WAIT = 1.0
"""Seconds between two looks for new tables."""
COOKIE = "ramify_view"
MOST_PARQUET = 500_000
"""The number of completions in a parquet file, which is built in memory."""


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("::1")
    (True, True, False, True)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def application(source: Source, host: str = "127.0.0.1", token: str | None = None, wait: float = WAIT) -> Starlette:
    """The application.

    Args:
        host: the address that it is bound to; on a loopback address, requests for other host names are refused.
        token: what a first request has to carry as `?token=`, if not None.
        wait: seconds between two looks for new tables.
    """
    found = {
        "/": pages.overview,
        "/structure": pages.structure_page,
        "/pattern": pages.pattern_page,
        "/completions": pages.completions_page,
    }
    routes = [Route(path, partial(_page, source, build)) for path, build in found.items()]
    routes += [
        Route("/curves", partial(_page, source, None)),
        Route("/puzzle", partial(_page, source, None)),
        Route("/events", partial(_events, source, wait)),
        *(Route(f"/completions.{kind}", partial(_download, source, kind)) for kind in ("jsonl", "csv", "parquet")),
    ]
    hosts = ["localhost", "127.0.0.1", "[::1]", host] if is_loopback(host) else ["*"]
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=hosts), Middleware(_Guard, token=token)]
    return Starlette(routes=routes, middleware=middleware)


class _Guard:
    """Require the token, and add the headers of every response."""

    def __init__(self, app: Any, token: str | None) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        answer = self._refused(request)

        async def headed(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [
                    (b"content-security-policy", policy().encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                    (b"cache-control", b"no-store"),
                ]
            await send(message)

        await (answer or self.app)(scope, receive, headed)

    def _refused(self, request: Request) -> Response | None:
        if self.token is None:
            return None
        if _equal(request.query_params.get("token", ""), self.token):
            there = request.url.remove_query_params("token")
            query = f"?{there.query}" if there.query else ""
            answer = RedirectResponse(there.path + query, 303)
            answer.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
            return answer
        if _equal(request.cookies.get(COOKIE, ""), self.token):
            return None
        return PlainTextResponse("This page needs the token that ramify view printed: add ?token=... once.\n", 403)


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


async def _page(source: Source, build: Callable[..., str] | None, request: Request) -> Response:
    query, several = dict(request.query_params), request.query_params.getlist
    if request.url.path == "/curves":
        build = partial(pages.curves_page, runs=several("run"), groups=several("group"))
    elif request.url.path == "/puzzle":
        build = partial(puzzle_page, at=several("at"))
    assert build is not None
    try:
        return HTMLResponse(await run_in_threadpool(build, source, query))
    except RamifyError as error:
        return HTMLResponse(await run_in_threadpool(pages.problem, source, str(error)), 404)


async def _events(source: Source, wait: float, request: Request) -> Response:
    """Server-sent events: the version of the runs, at first and whenever it changes."""

    async def stream() -> AsyncIterator[str]:
        known = ""
        while not await request.is_disconnected():
            version = await run_in_threadpool(source.version)
            if version != known:
                known = version
                yield f"data: {version}\n\n"
            else:
                yield ": \n\n"
            await asyncio.sleep(wait)

    return StreamingResponse(stream(), media_type="text/event-stream")


async def _download(source: Source, kind: str, request: Request) -> Response:
    """The completions that meet the filters as a file, or one page of them."""
    query = dict(request.query_params)
    try:
        matches = await run_in_threadpool(search, source, Filters.read(query))
        page = number_of(query, "page")
    except RamifyError as error:
        return PlainTextResponse(f"{error}\n", 404)
    if page is not None:
        shown = matches.found.slice(max(0, page - 1) * PAGE, PAGE)
        matches = replace(matches, found=shown)
    headers = {"content-disposition": f'attachment; filename="completions.{kind}"'}
    if kind == "parquet":
        if len(matches.found) > MOST_PARQUET:
            message = f"{len(matches.found):,} completions; at most {MOST_PARQUET:,} fit, or use jsonl or csv\n"
            return PlainTextResponse(message, 413)
        frames = await run_in_threadpool(lambda: [frame for frame in export(source, matches) if len(frame)])
        buffer = io.BytesIO()
        (pl.concat(frames) if frames else pl.DataFrame()).write_parquet(buffer)
        return Response(buffer.getvalue(), media_type="application/vnd.apache.parquet", headers=headers)
    lines = _jsonl(export(source, matches)) if kind == "jsonl" else _csv(export(source, matches))
    media = "application/x-ndjson" if kind == "jsonl" else "text/csv"
    return StreamingResponse(lines, media_type=media, headers=headers)


def _jsonl(frames: Iterator[pl.DataFrame]) -> Iterator[str]:
    for frame in frames:
        for row in frame.iter_rows(named=True):
            yield json.dumps(record(row), ensure_ascii=False) + "\n"


def _csv(frames: Iterator[pl.DataFrame]) -> Iterator[str]:
    """CSV whose cells no spreadsheet takes for a formula: such a text gets an apostrophe before it."""
    is_first = True
    for frame in frames:
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        if is_first:
            writer.writerow(frame.columns)
        is_first = False
        for row in frame.iter_rows():
            writer.writerow([f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" else cell for cell in row])
        yield buffer.getvalue()
