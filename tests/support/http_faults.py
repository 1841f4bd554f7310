"""Ways in which an HTTP server can be bad. Each is an aiohttp handler; the fakes take one in place of an answer."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from functools import cache

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HTML = "<!DOCTYPE html>\n<html><head><title>Log in</title></head><body>Who are you?</body></html>\n"


async def hang(request: web.Request) -> web.Response:
    """Takes the request and never answers."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def drip(request: web.Request) -> web.StreamResponse:
    """Begins to answer and never ends, a byte now and then: every read succeeds."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"#")
        await asyncio.sleep(0.01)


async def reset(request: web.Request) -> web.Response:
    """Closes the connection without an answer."""
    assert request.transport
    request.transport.abort()
    return web.Response()


async def error_500(request: web.Request) -> web.Response:
    return web.Response(status=500, text="out of memory")


async def no_text(request: web.Request) -> web.Response:
    """An escape sequence and a byte of no text where the reason is."""
    return _raw(request, b"HTTP/1.1 500 \x1b[31mRed\xff\r\nContent-Length: 0\r\n\r\n")


async def no_http(request: web.Request) -> web.Response:
    return _raw(request, b"SSH-2.0-OpenSSH_9.2\r\n")


def _raw(request: web.Request, answer: bytes) -> web.Response:
    assert request.transport
    request.transport.write(answer)
    request.transport.close()
    return web.Response()


async def html(request: web.Request) -> web.Response:
    return web.Response(text=HTML, content_type="text/html")


async def nothing(request: web.Request) -> web.Response:
    return web.Response()


async def redirect(request: web.Request) -> web.Response:
    """As an authenticating proxy does."""
    return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/login"})


async def huge(request: web.Request) -> web.StreamResponse:
    """40 MiB, in parts."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(40):
        await response.write(b"# filler\n" * (1 << 17))
    return response


async def bomb(request: web.Request) -> web.Response:
    """40 MiB in 40 kB of gzip, which the client did not ask for."""
    return web.Response(body=_bomb(), headers={"Content-Encoding": "gzip"})


@cache
def _bomb() -> bytes:
    return gzip.compress(b"#" * (40 << 20))


async def cut(request: web.Request) -> web.StreamResponse:
    """Promises more bytes than it sends."""
    response = web.StreamResponse(headers={"Content-Length": "5000"})
    await response.prepare(request)
    await response.write(b"vllm:num_requests_running 1\n")
    assert request.transport
    request.transport.close()
    return response


def answers(value: object) -> Handler:
    """200 with this value as JSON."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(value)

    return answer
