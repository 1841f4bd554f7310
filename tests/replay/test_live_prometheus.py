"""`prometheus://`: from the simulated cluster's Prometheus, and from servers that are none or want something."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from replay.commands import prometheus
from replay.commands.prometheus import FORM, Access, address, query
from replay.scenario.scenario import L4_8B
from replay.simcluster import past
from replay.simcluster.prometheus import Prometheus, application
from replay.traces.recorded import BinTrace
from replay.traces.trace import Totals, TraceError
from tests.replay.synthetic_chat import replay
from tests.support import http_faults as faults
from tests.support.certificates import Authority
from tests.support.http_faults import Handler, answers

DAY = 86_400
NOW = 1_700_000_012.5
POD = "chat-6c9df5f764-x7k2p"


def a_prometheus(days: float = 7.0) -> web.Application:
    """120 requests in each minute of the last days, of a pod that two jobs scrape."""
    bins = round(days * DAY / 60)
    before = Totals(NOW - bins * 60, 60.0, np.full(bins, 120.0), np.full(bins, 120_000.0), np.full(bins, 24_000.0))
    series = [
        each
        for job in ("a", "b")
        for each in past.series(before, L4_8B, NOW, {"namespace": "llm", "pod": POD, "job": job})
    ]
    return application(Prometheus(series, "llm", "chat"), lambda: NOW, lambda: None)


Serve = Callable[..., Any]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server, and gives its address without the scheme."""
    servers: list[TestServer] = []

    async def start(application: web.Application, context: ssl.SSLContext | None = None) -> str:
        servers.append(TestServer(application, host="localhost"))
        await servers[-1].start_server(ssl=context, shutdown_timeout=0.01)
        return f"localhost:{servers[-1].port}"

    yield start
    for server in servers:
        await server.close()


def a_handler(handler: Handler) -> web.Application:
    served = web.Application()
    served.router.add_get("/{path:.*}", handler)
    return served


async def read(name: str, access: Access | None = None) -> BinTrace:
    trace = await asyncio.to_thread(prometheus.read, name, access or Access(days=0.5))
    assert isinstance(trace, BinTrace)
    return trace


async def refusal(name: str, access: Access | None = None) -> str:
    with pytest.raises((ValueError, TraceError)) as error:
        await read(name, access)
    assert str(error.value).isprintable()
    return str(error.value)


async def test_the_last_days_of_a_target_without_seams(serve: Serve) -> None:
    at = await serve(a_prometheus())
    trace = await read(f"prometheus://{at}/llm/chat", Access(days=2.5))
    assert trace.name == "chat"
    assert trace.duration_seconds == pytest.approx(2.5 * DAY, abs=60)
    assert np.allclose(np.diff(trace.start_s), 15.0)
    assert trace.requests == pytest.approx(30.0)
    assert trace.prompt_tokens.mean() == pytest.approx(30_000.0)
    assert trace.epoch_seconds == pytest.approx(NOW - 2.5 * DAY, abs=30)


async def test_what_retention_has_not_kept_is_not_there(serve: Serve) -> None:
    at = await serve(a_prometheus(days=1.0))
    trace = await read(f"prometheus://{at}/llm/chat?kind=Deployment", Access(days=7.0))
    assert trace.duration_seconds == pytest.approx(DAY, abs=60)


async def test_a_target_without_data_says_what_to_check(serve: Serve) -> None:
    at = await serve(a_prometheus())
    for name in ("llm/cha", "llm/my-chat", "other/chat", "llm/chat?kind=StatefulSet"):
        assert "check the namespace, the target and that its series have the labels" in await refusal(
            f"prometheus://{at}/{name}"
        )


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("prometheus://", "names no target"),
        ("prometheus://localhost", "names no target of a Prometheus; write prometheus://HOST:PORT/NAMESPACE/TARGET"),
        ("prometheus://localhost/llm", "names no target"),
        ("prometheus:///llm/chat", "names no target"),
        ("prometheus://localhost:99999/llm/chat", "is wrong (Port out of range 0-65535)"),
        ("prometheus://[::1/llm/chat", "is wrong"),
        ('prometheus://localhost/llm/chat"}', "names no target"),
        ("prometheus://localhost/llm/chat?knd=Deployment", "names no target"),
        (
            "prometheus://localhost/llm/chat?kind=deployment",
            "kind=deployment in the address is not one of Deployment, Rollout",
        ),
        ("prometheus://local host/llm/chat", "names no target"),
        (f"prometheus://{'x' * 300}/llm/chat", "names no target"),
        ("http://localhost/llm/chat", ": write prometheus://HOST:PORT"),
        ("http://me:s3cret@localhost/llm/chat", "with a user or a password is refused"),
        ("prometheus://me:s3cret@localhost/llm/chat", "with a user or a password is refused"),
    ],
)
async def test_what_is_no_address(name: str, fault: str) -> None:
    text = await refusal(name)
    assert fault in text
    assert "s3cret" not in text


def test_an_address_may_have_a_prefix() -> None:
    found = address("prometheus+https://mimir.example/prometheus/llm/chat?kind=StatefulSet")
    assert (found.base, found.namespace, found.target) == ("https://mimir.example/prometheus", "llm", "chat")
    assert 'namespace="llm",pod=~"chat-[0-9]+"' in query(found)
    assert address("prometheus://[::1]:9090/llm/chat").base == "http://[::1]:9090"
    assert r'pod=~"qwen2\\.5-[0-9]+"' in query(replace(found, target="qwen2.5"))


async def not_gzip(request: web.Request) -> web.Response:
    return web.Response(body=b"as it is", headers={"Content-Encoding": "gzip"})


BAD = {
    "reset": (faults.reset, "cannot be re"),
    "500": (faults.error_500, "answered with 500: 'out of memory'"),
    "redirect": (faults.redirect, "answered with a redirect, which is not followed"),
    "html": (faults.html, "is not Prometheus: it answered with '<!DOCTYPE html>"),
    "nothing": (faults.nothing, "is not Prometheus: it answered with (no body)"),
    "null": (answers(None), "is not Prometheus: it answered with 'null'"),
    "no number": (answers({"status": "success", "data": {"result": [1, "NaN"]}}), "with '[[1, \"NaN\"]]'"),
    "no time": (answers({"status": "success", "data": {"result": []}}), "is not Prometheus: it answered with '[[]]'"),
    "cut off": (faults.cut, "broke off in the middle of its answer"),
    "not gzip": (not_gzip, "cannot be read: its compressed answer is damaged"),
}


@pytest.mark.parametrize(("fault", "message"), BAD.values(), ids=BAD)
async def test_what_is_no_prometheus(serve: Serve, fault: Handler, message: str) -> None:
    at = await serve(a_handler(fault))
    text = await refusal(f"prometheus://{at}/llm/chat")
    assert text.startswith("http://localhost:")
    assert message in text


async def test_an_answer_without_end_is_cut_off(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    at = await serve(a_handler(faults.drip))
    monkeypatch.setattr(prometheus, "PAGE_SECONDS", 0.1)
    assert "did not answer in full within 0.1 s" in await refusal(f"prometheus://{at}/llm/chat")
    at = await serve(a_handler(faults.huge))
    monkeypatch.setattr(prometheus, "PAGE_SECONDS", 60.0)
    monkeypatch.setattr(prometheus, "MOST_BYTES", 1 << 20)
    assert "answered with more than 1 MiB" in await refusal(f"prometheus://{at}/llm/chat")
    at = await serve(a_handler(faults.hang))
    monkeypatch.setattr(prometheus, "READ_SECONDS", 0.1)
    assert "did not answer within 0.1 s" in await refusal(f"prometheus://{at}/llm/chat")


async def test_no_server_there(unused_tcp_port: int) -> None:
    text = await refusal(f"prometheus://127.0.0.1:{unused_tcp_port}/llm/chat")
    assert text == f"http://127.0.0.1:{unused_tcp_port} cannot be reached: Connection refused"


async def test_plain_http_where_https_is_asked_for(serve: Serve, tmp_path: Path) -> None:
    name = f"prometheus+https://{await serve(a_prometheus())}/llm/chat"
    assert (await refusal(name)).endswith("check that it serves https")
    (tmp_path / "ca.pem").write_text("no certificate")
    text = await refusal(name, Access(ca_file=tmp_path / "ca.pem"))
    assert text == f"{tmp_path}/ca.pem has no certificate in PEM format; name the CA's certificate with --ca-file"


async def test_a_private_ca_a_token_and_a_tenant(serve: Serve, tmp_path: Path) -> None:
    authority = Authority("private")
    certificate, key = authority.issue("prometheus")
    for name, content in (("ca.pem", authority.certificate), ("tls.crt", certificate), ("tls.key", key)):
        (tmp_path / name).write_bytes(content)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    asked: list[tuple[str | None, str | None]] = []

    @web.middleware
    async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
        given = request.headers.get("Authorization"), request.headers.get("X-Scope-OrgID")
        asked.append(given)
        if given != ("Bearer s3cret", "team-a"):
            return web.Response(status=401)
        answer: web.StreamResponse = await handler(request)
        return answer

    served = a_prometheus()
    served.middlewares.append(guard)
    name = f"prometheus+https://{await serve(served, context)}/llm/chat"
    (tmp_path / "token").write_text("s3cret\n")
    access = Access(0.5, tmp_path / "token", tmp_path / "ca.pem", "team-a")
    assert (await read(name, access)).requests == pytest.approx(30.0)
    text = await refusal(name, replace(access, token_file=None))
    assert "answered with 401, which asks for other credentials; put a token into a file for --token-file" in text
    before = len(asked)
    text = await refusal(name, replace(access, ca_file=None))
    assert "has a certificate that is not accepted: " in text
    assert "give the CA that signed it with --ca-file" in text
    assert "s3cret" not in text
    assert len(asked) == before


async def test_a_token_is_never_sent_in_the_clear(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"prometheus://{await serve(a_prometheus())}/llm/chat"
    (tmp_path / "token").write_text("s3cret")
    assert "the token of --token-file is sent over https only" in await refusal(
        name, Access(token_file=tmp_path / "token")
    )
    monkeypatch.setenv("PROMETHEUS_TOKEN", "s3cret")
    assert "the token of PROMETHEUS_TOKEN is sent over https only" in await refusal(name)


@pytest.mark.parametrize("content", ["", "two words", "a\nb", "\x00", "t\u00f6ken"])
async def test_what_is_no_token_is_not_shown(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    text = await refusal("prometheus+https://127.0.0.1:9/llm/chat", Access(token_file=tmp_path / "token"))
    assert text == f"{tmp_path}/token does not hold a token: one line of ASCII characters without spaces"


async def test_the_command_replays_it(serve: Serve) -> None:
    at = await serve(a_prometheus())
    name = f"prometheus://{at}/llm/chat"
    code, out, err = await asyncio.to_thread(replay, name, "--days", "0.1", "--duration", "2m")
    assert (code, err) == (0, "")
    assert "240 requests in 2m" in out
    code, _, err = await asyncio.to_thread(replay, name, "other.json")
    assert (code, err) == (
        2,
        "outrider replay: only the pages of a Prometheus export are read together; name one trace\n",
    )
    code, _, err = await asyncio.to_thread(replay, f"http://{at}/llm/chat")
    assert (code, err) == (2, f"outrider replay: http://{at}/llm/chat: write {FORM}\n")
    code, _, err = await asyncio.to_thread(replay, name, "--time-unit", "ms")
    assert (code, err) == (2, "outrider replay: --columns and --time-unit are for tables, not for Prometheus\n")
