"""What KEDA relies on, checked from outside: plaintext, server TLS, mTLS, and certificates that rotate."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from autoscaler.scaler.board import Board
from autoscaler.scaler.externalscaler_pb2 import ScaledObjectRef
from autoscaler.scaler.externalscaler_pb2_grpc import ExternalScalerStub
from autoscaler.scaler.server import ScalerServer
from autoscaler.scaler.tls import Tls, TlsError
from tests.autoscaler.scaler.subject import KEY, NAMESPACE, POLICY
from tests.support.certificates import Authority, locked, put
from tests.support.fake_clock import FakeClock

OURS, FOREIGN = Authority("ours"), Authority("foreign")
SERVER, CLIENT = OURS.issue("server"), OURS.issue("keda")
Credentials = grpc.ChannelCredentials | None


@asynccontextmanager
async def serving(tls: Tls | None) -> AsyncIterator[int]:
    clock = FakeClock()
    board = Board(clock)
    board.know([KEY])
    board.publish(KEY, 2, clock.now())
    server = ScalerServer(board, clock, bind="localhost:0", tls=tls)
    try:
        yield await server.start()
    finally:
        await server.stop(0.0)


async def answers(port: int, credentials: Credentials) -> bool:
    """Whether a client with these credentials gets an answer. Each call makes a connection of its own."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    if credentials is None:
        channel = grpc.aio.insecure_channel(f"localhost:{port}", options=options)
    else:
        channel = grpc.aio.secure_channel(f"localhost:{port}", credentials, options=options)
    async with channel:
        ref = ScaledObjectRef(name="so", namespace=NAMESPACE, scalerMetadata={"policy": POLICY})
        code = await ExternalScalerStub(channel).IsActive(ref, timeout=3).code()
        assert code in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)
        return code is grpc.StatusCode.OK


def client(authority: Authority, pair: tuple[bytes, bytes] | None = None) -> Credentials:
    certificate, key = pair or (None, None)
    return grpc.ssl_channel_credentials(authority.certificate, key, certificate)


CLIENTS: dict[str, Callable[[], Credentials]] = {
    "plaintext": lambda: None,
    "caCert": lambda: client(OURS),
    "foreign caCert": lambda: client(FOREIGN, CLIENT),
    "client certificate": lambda: client(OURS, CLIENT),
    "expired client certificate": lambda: client(OURS, OURS.issue("keda", expired=True)),
    "foreign client certificate": lambda: client(OURS, FOREIGN.issue("keda")),
}


@pytest.mark.parametrize(
    ("mode", "welcome"),
    [
        ("plaintext", {"plaintext"}),
        ("TLS", {"caCert", "client certificate", "expired client certificate", "foreign client certificate"}),
        ("mTLS", {"client certificate"}),
    ],
)
async def test_matrix(mode: str, welcome: set[str], tmp_path: Path) -> None:
    certificate, key = put(tmp_path, SERVER)
    authority = tmp_path / "ca.crt"
    authority.write_bytes(OURS.certificate)
    tls = None if mode == "plaintext" else Tls(certificate, key, authority if mode == "mTLS" else None)
    async with serving(tls) as port:
        answered = await asyncio.gather(*(answers(port, make()) for make in CLIENTS.values()))
    assert {name for name, answer in zip(CLIENTS, answered, strict=True) if answer} == welcome


async def test_a_server_certificate_that_expired_is_refused_by_the_client(tmp_path: Path) -> None:
    async with serving(Tls(*put(tmp_path, OURS.issue("server", expired=True)))) as port:
        assert not await answers(port, client(OURS))


async def shown(port: int) -> tuple[str | None, str | None, bytes]:
    """Protocol by ALPN, TLS version, and the certificate that a plain TLS client is shown."""
    context = ssl.create_default_context(cadata=OURS.certificate.decode())
    context.set_alpn_protocols(["http/1.1", "h2"])
    _, writer = await asyncio.open_connection("localhost", port, ssl=context)
    connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate = connection.getpeercert(binary_form=True)
    assert certificate
    answer = connection.selected_alpn_protocol(), connection.version(), certificate
    writer.close()
    return answer


async def test_serves_h2_over_modern_tls(tmp_path: Path) -> None:
    async with serving(Tls(*put(tmp_path, SERVER))) as port:
        protocol, version, _ = await shown(port)
    assert protocol == "h2"
    assert version in ("TLSv1.2", "TLSv1.3")


async def test_a_rotated_certificate_is_shown_and_a_broken_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Tls(*put(tmp_path, SERVER))) as port:
        _, _, first = await shown(port)
        put(tmp_path, OURS.issue("rotated"))
        _, _, second = await shown(port)
        assert second != first
        put(tmp_path, (SERVER[0], CLIENT[1]))
        assert (await shown(port))[2] == second
        assert "keeping the last ones" in caplog.text
        (tmp_path / "tls.key").unlink()
        assert (await shown(port))[2] == second
        put(tmp_path, SERVER)
        assert (await shown(port))[2] == first
        assert await answers(port, client(OURS))


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ((SERVER[0], CLIENT[1]), "must match"),
        ((b"no certificate", SERVER[1]), "PEM"),
        ((SERVER[0], locked(SERVER[1], b"secret")), "encrypted"),
    ],
)
async def test_unusable_files_stop_the_start(tmp_path: Path, pair: tuple[bytes, bytes], says: str) -> None:
    with pytest.raises(TlsError, match=says) as caught:
        async with serving(Tls(*put(tmp_path, pair))):
            pass
    assert str(tmp_path / "tls.key") in str(caught.value)


async def test_missing_files_stop_the_start(tmp_path: Path) -> None:
    certificate, key = put(tmp_path, SERVER)
    for tls in (Tls(certificate, tmp_path / "none.key"), Tls(certificate, key, tmp_path / "none.crt")):
        with pytest.raises(TlsError, match="mount the Secret"):
            async with serving(tls):
                pass
    with pytest.raises(TlsError, match="must contain PEM certificates"):
        async with serving(Tls(certificate, key, key)):
            pass
