"""The controller's own pages, over a real socket."""

import asyncio

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families

from autoscaler import web


async def test_pages() -> None:
    registry = CollectorRegistry()
    Gauge("outrider_test", "A test.", registry=registry).set(3)
    waiting_for = {"policies": "listed", "scaler": "not listening yet"}
    state = [False]
    server = web.WebServer(web.app(registry, lambda: (state[0], waiting_for)), "127.0.0.1:0")
    port = await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with session.get("/metrics") as response:
                assert response.headers["Content-Type"].startswith("text/plain; version=")
                families = list(text_string_to_metric_families(await response.text()))
                assert [(family.name, family.samples[0].value) for family in families] == [("outrider_test", 3)]
            async with session.get("/healthz") as response:
                assert (response.status, await response.text()) == (200, "ok\n")
            async with session.get("/readyz") as response:
                assert response.status == 503
                assert await response.json() == {"ready": False, **waiting_for}
            state[0] = True
            async with session.get("/readyz") as response:
                assert response.status == 200
            async with session.get("/secret") as response:
                assert response.status == 404
    finally:
        await server.stop()


async def test_a_port_that_is_taken_is_reported() -> None:
    application = web.app(CollectorRegistry(), lambda: (True, {}))
    first = web.WebServer(application, "127.0.0.1:0")
    port = await first.start()
    second = web.WebServer(web.app(CollectorRegistry(), lambda: (True, {})), f"127.0.0.1:{port}")
    with pytest.raises(OSError, match="Address already in use"):
        await second.start()
    await second.stop()
    await first.stop()


async def test_ipv6() -> None:
    server = web.WebServer(web.app(CollectorRegistry(), lambda: (True, {})), "[::1]:0")
    try:
        port = await server.start()
    except OSError:
        pytest.skip("no IPv6 here")
    async with aiohttp.ClientSession() as session, session.get(f"http://[::1]:{port}/healthz") as response:
        assert response.status == 200
    await server.stop()


async def opened(port: int, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(sent)
    return reader, writer


@pytest.mark.parametrize("sent", [b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: a\r\n"])
async def test_a_client_that_sends_no_whole_request_is_cut_off(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(web, "IDLE_SECONDS", 0.05)
    server = web.WebServer(web.app(CollectorRegistry(), lambda: (True, {})), "127.0.0.1:0")
    reader, writer = await opened(await server.start(), sent)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    await server.stop()


async def test_a_connection_without_another_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "IDLE_SECONDS", 0.05)
    server = web.WebServer(web.app(CollectorRegistry(), lambda: (True, {})), "127.0.0.1:0")
    reader, writer = await opened(await server.start(), b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(5):
        assert (await reader.read()).endswith(b"ok\n")
    writer.close()
    await server.stop()


async def test_a_client_that_does_not_read_its_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "ANSWER_SECONDS", 0.05)
    registry = CollectorRegistry()
    large = Gauge("outrider_test", "A test.", ["of"], registry=registry)
    for i in range(200):
        large.labels(of=f"{i}{'x' * 50_000}")
    server = web.WebServer(web.app(registry, lambda: (True, {})), "127.0.0.1:0")
    reader, writer = await opened(await server.start(), b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    handlers = server._runner.server
    assert handlers is not None
    async with asyncio.timeout(5):
        while not handlers.requests_count or handlers.connections:  # noqa: ASYNC110  # no event says when a socket is closed
            await asyncio.sleep(0.002)
    assert len(await reader.read()) < 10_000_000, "the whole answer was kept for it"
    writer.close()
    await server.stop()


async def test_beyond_a_number_of_connections_the_oldest_goes_and_the_newest_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web, "MOST_CONNECTIONS", 4)
    server = web.WebServer(web.app(CollectorRegistry(), lambda: (True, {})), "127.0.0.1:0")
    port = await server.start()
    silent = [await opened(port) for _ in range(6)]
    async with asyncio.timeout(5), aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/healthz") as response:
            assert response.status == 200
        for reader, _ in silent[:3]:
            assert await reader.read() == b""
    assert not any(reader.at_eof() or reader.exception() for reader, _ in silent[3:])
    for _, writer in silent:
        writer.close()
    await server.stop()
