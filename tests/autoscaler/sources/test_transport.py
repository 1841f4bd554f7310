"""Certificates, tokens and headers, on real TLS connections: what is trusted, what is sent, and what a refusal says."""

import pickle
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from autoscaler.kube.objects import Key
from autoscaler.sources import history
from autoscaler.sources.errors import SourceError, SourceErrorKind
from autoscaler.sources.fetch import get
from autoscaler.sources.prometheus import Prometheus
from autoscaler.sources.scrape import Address, Scraper
from autoscaler.sources.transport import PROMETHEUS_NAMES, FileTransport, Transport
from crds.workload import Target
from policies.series import RUNNING
from tests.autoscaler.sources.scraping import running, until
from tests.support.certificates import Authority, server_context
from tests.support.fake_clock import FakeClock
from tests.support.fake_prometheus import FakePrometheus, fake_prometheus
from tests.support.fake_vllm import FakeVllm, fake_vllm

TARGET = Target("apps/v1", "Deployment", "a")
TOKEN = "s3cret-of-the-tenant"
AUTHORITY = Authority("the cluster's own")
CA = AUTHORITY.certificate.decode()


def certified(folder: Path, *hosts: str, expired: bool = False) -> ssl.SSLContext:
    return server_context(folder, AUTHORITY.issue("vllm", hosts=hosts, expired=expired))


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


async def ask(session: aiohttp.ClientSession, vllm: FakeVllm, transport: Transport) -> bytes:
    return await get(session, vllm.url("a"), timeout_seconds=5.0, max_bytes=1 << 20, transport=transport)


async def refusal(session: aiohttp.ClientSession, vllm: FakeVllm, transport: Transport) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await ask(session, vllm, transport)
    return caught.value


async def test_a_private_authority(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    async with fake_vllm(certified(tmp_path, "127.0.0.1")) as vllm:
        other = Authority("another").certificate.decode()
        for trusted in (CA, f"# Zürich\n{CA}# und Köln\n{other}", f"{other}\r\n{CA}"):
            assert b"vllm:" in await ask(session, vllm, Transport(ca=trusted))
        assert b"vllm:" in await ask(session, vllm, Transport(skip_verify=True))
        for transport in (Transport(), Transport(ca=other)):
            refused = await refusal(session, vllm, transport)
            assert refused.kind is SourceErrorKind.TLS
            assert "its certificate is not accepted: " in str(refused)
            assert str(refused).endswith("; set spec.metrics.tls.caConfigMap to the CA that signed it")


async def test_a_certificate_for_a_name(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    async with fake_vllm(certified(tmp_path, "chat.llm.svc")) as vllm:
        refused = await refusal(session, vllm, Transport(ca=CA))
        assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in str(refused)
        assert str(refused).endswith("; set spec.metrics.tls.serverName to a name in the certificate")
        assert b"vllm:" in await ask(session, vllm, Transport(ca=CA, server_name="chat.llm.svc"))
        assert "Hostname mismatch" in str(await refusal(session, vllm, Transport(ca=CA, server_name="other.svc")))


async def test_an_expired_certificate(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    async with fake_vllm(certified(tmp_path, "127.0.0.1", expired=True)) as vllm:
        assert str(await refusal(session, vllm, Transport(ca=CA))).endswith("certificate has expired; renew it")


async def test_https_to_a_server_of_http(session: aiohttp.ClientSession) -> None:
    async with fake_vllm() as vllm:
        vllm.base = vllm.base.replace("http:", "https:")
        refused = await refusal(session, vllm, Transport(ca=CA))
        assert refused.kind is SourceErrorKind.TLS
        assert str(refused).endswith(
            "; check scheme, port, path and podSelector in spec.metrics, and that the server serves https"
        )


async def test_a_token_and_headers(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    async with fake_vllm(certified(tmp_path, "127.0.0.1")) as vllm:
        vllm.bearer = TOKEN
        open_transport = Transport(ca=CA, headers=(("X-Team", "chat"),))
        refused = await refusal(session, vllm, open_transport)
        assert "401 Unauthorized" in str(refused)
        assert str(refused).endswith("; a token may be needed: set spec.metrics.bearerTokenSecret")
        wrong = await refusal(session, vllm, replace(open_transport, bearer="an-old-" + TOKEN))
        assert str(wrong).endswith("; check the token of spec.metrics.bearerTokenSecret")
        assert TOKEN not in str(wrong)
        assert b"vllm:" in await ask(session, vllm, replace(open_transport, bearer=TOKEN))
        assert vllm.headers["X-Team"] == "chat"


@pytest.mark.parametrize("token", [TOKEN, "x9" * 600], ids=["short", "cut by the end of the excerpt"])
async def test_a_server_that_repeats_the_token(session: aiohttp.ClientSession, tmp_path: Path, token: str) -> None:
    async def repeat(request: web.Request) -> web.Response:
        """Refuse, as some proxies do, with what was sent."""
        sent = request.headers["Authorization"].removeprefix("Bearer ")
        return web.Response(status=401, reason=f"{sent} is not known", text=f"{'.' * 140} {sent} has expired")

    async with fake_vllm(certified(tmp_path, "127.0.0.1")) as vllm:
        vllm.faults["a"] = repeat
        refused = str(await refusal(session, vllm, Transport(ca=CA, bearer=token)))
        assert "answered with 401 *** is not known: '..." in refused
        assert token[:12] not in refused


async def test_a_page_that_shows_the_token(tmp_path: Path) -> None:
    async with fake_vllm(certified(tmp_path, "127.0.0.1")) as vllm:
        vllm.bodies["a"] = f"vllm:num_requests_running {TOKEN}\n".encode()
        clock, pod = FakeClock(), Key("ns", "a")
        scraper = Scraper(clock)
        scraper.targets({pod: Address((vllm.url("a"),), Transport(ca=CA, bearer=TOKEN))})
        async with running(scraper):
            await clock.advance(2.0)
            await until(lambda: pod in scraper.problems)
        assert str(scraper.problems[pod]).endswith("line 1 is not a sample: 'vllm:num_requests_running ***'")


async def test_a_token_is_never_sent_where_it_could_be_taken(session: aiohttp.ClientSession) -> None:
    async with fake_vllm() as vllm:
        refused = await refusal(session, vllm, Transport(bearer=TOKEN))
        assert refused.kind is SourceErrorKind.TRANSPORT
        assert not vllm.asked
    with pytest.raises(ValueError, match="only to a server whose certificate is verified"):
        Transport(bearer=TOKEN, skip_verify=True)
    assert TOKEN not in repr(Transport(bearer=TOKEN))


@pytest.mark.parametrize("ca", ["", "none", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\x00"])
def test_a_ca_that_is_none(ca: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no certificate in PEM format"):
        Transport(ca=ca)
    (tmp_path / "ca.crt").write_text(ca)
    with pytest.raises(SourceError, match=r"ca\.crt: no certificate in PEM format"):
        FileTransport(ca_file=tmp_path / "ca.crt").current()


def test_certificates_are_bounded_and_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="more than 262144; keep the CAs that sign these servers' certificates"):
        Transport(ca=CA * 1_000)
    other = Authority("read again once a minute").certificate.decode()
    Transport(ca=other)
    monkeypatch.setattr(ssl, "create_default_context", None)
    assert Transport(ca="".join(list(other))) == Transport(ca=other)


@pytest.mark.parametrize("text", ["", " \n", "two parts", "two\nlines", "umläut", "a\x00b", "x" * 16_385])
def test_a_token_that_is_none_is_not_shown(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(SourceError) as caught:
        FileTransport(bearer_token_file=file).current()
    assert str(caught.value) == (f"{file} is not a bearer token: one line of printable characters without spaces")


def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    transport = FileTransport(bearer_token_file=file)
    assert transport.current().bearer == "first"
    assert transport.current() is transport.current()
    (tmp_path / "next").write_text("second")
    (tmp_path / "next").replace(file)  # as the kubelet does
    assert transport.current().bearer == "second"
    file.unlink()
    with pytest.raises(SourceError, match="No such file or directory; mount the file or correct the path"):
        transport.current()


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[FakePrometheus]:
    """A Prometheus that wants a token, with a certificate of the cluster's own CA for a name."""
    async with fake_prometheus(certified(tmp_path, "prometheus.monitoring.svc")) as fake:
        fake.bearer = TOKEN
        fake.add("a", RUNNING, "3", engine="0")
        fake.past[RUNNING] = lambda _at: "3"
        yield fake


async def read_both(session: aiohttp.ClientSession, server: FakePrometheus, transport: FileTransport) -> list[str]:
    """What the two clients report; nothing where both could read."""
    now_seconds = server.now_seconds
    prometheus = Prometheus(server.url, session, FakeClock(now_seconds), 5.0, transport)
    answer = await prometheus.read("ns", ["a"])
    past = await history.read(server.url, "ns", TARGET, now_seconds, days=1, step_seconds=3600, transport=transport)
    assert bool(answer.samples) is (answer.problem is None)
    assert bool(past.points) is (past.problem is None)
    return [str(problem) for problem in (answer.problem, past.problem) if problem]


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
async def test_both_clients_of_prometheus_take_the_same_settings(
    session: aiohttp.ClientSession, guarded: FakePrometheus, tmp_path: Path
) -> None:
    token, ca = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text(TOKEN)
    ca.write_text(CA)
    name = "prometheus.monitoring.svc"
    right = FileTransport(bearer_token_file=token, ca_file=ca, server_name=name, headers={"X-Scope-OrgID": "team-a"})
    assert await read_both(session, guarded, right) == []
    assert guarded.headers["X-Scope-OrgID"] == "team-a"

    for wrong, cause in (
        (FileTransport(bearer_token_file=token, ca_file=ca), "IP address mismatch"),
        (
            FileTransport(bearer_token_file=token, server_name=name),
            "unable to get local issuer certificate",
        ),
        (FileTransport(ca_file=ca, server_name=name), "401"),
        (FileTransport(skip_verify=True), "401"),
        (FileTransport(bearer_token_file=tmp_path / "gone"), "No such file"),
    ):
        problems = await read_both(session, guarded, wrong)
        assert len(problems) == 2
        for problem in problems:
            assert cause in problem
            assert TOKEN not in problem
    assert FileTransport(ca_file=ca).current().names is PROMETHEUS_NAMES


def test_another_process_reads_the_files_itself(tmp_path: Path) -> None:
    token, ca = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text(TOKEN)
    ca.write_text(CA)
    here = FileTransport(bearer_token_file=token, ca_file=ca, headers={"X-Scope-OrgID": "team-a"})
    assert here.current().context
    sent = pickle.dumps(here)
    assert TOKEN.encode() not in sent
    assert pickle.loads(sent).current() == here.current()
