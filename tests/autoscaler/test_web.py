"""The controller's own pages, over a real socket."""

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
