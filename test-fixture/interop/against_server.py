"""What a server has to get right: each case is a client of its own."""

import asyncio
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from aioquic.asyncio import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    StopSendingReceived,
    StreamReset,
)
from aioquic.tls import CipherSuite

import lies
from peer import Client, client_configuration, digest

MIB = 1 << 20


@dataclass
class Target:
    """A server that is running."""

    port: int
    ca: Path
    # The directory from which it serves files.
    root: Path
    # Whether a connection may end where the end of a stream is enough.
    lenient: bool = False


def expect(what: str, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r}, not {wanted!r}")


def client(target: Target, protocol=Client, wait=True, **changes):
    return connect(
        "127.0.0.1",
        target.port,
        configuration=client_configuration(target.ca, **changes),
        create_protocol=protocol,
        wait_connected=wait,
    )


async def get(connection: Client, size: int):
    response = await connection.request("GET", f"/{size}")
    expect("status", response.status, 200)
    expect("length", len(response.body), size)
    length = response.headers.get("content-length")
    if length is not None:
        expect("content-length", int(length), size)


async def post(connection: Client, size: int):
    body = os.urandom(size)
    response = await connection.request("POST", "/echo", body)
    expect("status", response.status, 200)
    expect("digest", digest(response.body), digest(body))


def one_get(size: int, **changes):
    async def case(target: Target):
        async with client(target, **changes) as connection:
            await get(connection, size)

    return case


async def concurrent(target: Target):
    async with client(target) as connection:
        await asyncio.gather(*(get(connection, 1 + n * 37) for n in range(100)))


async def many_in_a_row(target: Target):
    """More requests than a server grants streams at first."""
    async with client(target) as connection:
        for _ in range(10):
            await asyncio.gather(*(get(connection, 10) for _ in range(50)))


async def file(target: Target):
    content = os.urandom(300_000)
    (target.root / "random.bin").write_bytes(content)
    async with client(target) as connection:
        response = await connection.request("GET", "/random.bin")
        expect("status", response.status, 200)
        expect("digest", digest(response.body), digest(content))


async def no_file(target: Target):
    secret = target.root.parent / "secret"
    secret.write_text("not for the public")
    async with client(target) as connection:
        for path in ("/missing", "/../secret", "/%2e%2e/secret"):
            response = await connection.request("GET", path)
            if response.status < 400 or secret.read_bytes() in response.body:
                raise AssertionError(f"{path} was answered with {response.status}")


def one_post(size: int):
    async def case(target: Target):
        async with client(target) as connection:
            await post(connection, size)

    return case


async def both_ways(target: Target):
    """Large bodies in both directions at once."""
    async with client(target) as connection:
        await asyncio.gather(*(post(connection, MIB) for _ in range(4)), get(connection, 4 * MIB))


async def key_update(target: Target):
    async with client(target) as connection:
        for _ in range(3):
            await get(connection, 10_000)
            connection.request_key_update()
            await connection.ping()
        await get(connection, 100_000)


async def many_connections(target: Target):
    async def one():
        async with client(target) as connection:
            await get(connection, 1000)

    await asyncio.gather(*(one() for _ in range(20)))


def _datagram(target: Target, data: bytes, wait: float) -> bytes | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(wait)
        sock.sendto(data, ("127.0.0.1", target.port))
        try:
            return sock.recv(65536)
        except TimeoutError:
            return None


def _long_header(version: bytes, size: int) -> bytes:
    """What a client of an unknown version sends first, as far as RFC 8999 tells."""
    return (b"\xc0" + version + b"\x08destcid!\x08sourcid!").ljust(size, b"\xff")


async def version_negotiation(target: Target):
    data = _long_header(b"\x1a\x2a\x3a\x4a", 1200)
    answer = await asyncio.to_thread(_datagram, target, data, 5)
    if answer is None:
        raise AssertionError("no answer")
    # The connection IDs come back exchanged, and the versions follow.
    expect("form and version", (answer[0] & 0x80, answer[1:5]), (0x80, bytes(4)))
    expect("connection IDs", answer[5:23], b"\x08sourcid!\x08destcid!")
    versions = [answer[i : i + 4] for i in range(23, len(answer), 4)]
    if b"\0\0\0\x01" not in versions or b"\x1a\x2a\x3a\x4a" in versions:
        raise AssertionError(f"versions {versions}")


async def no_answer(target: Target):
    """What is too short, or not QUIC, or no first packet, is not worth an answer."""
    for data in (
        _long_header(b"\x1a\x2a\x3a\x4a", 1199),
        _long_header(b"\0\0\0\x01", 1199),
        _long_header(bytes(4), 1200),
        b"",
        b"\x40",
        bytes(1200),
        bytes(20),
    ):
        answer = await asyncio.to_thread(_datagram, target, data, 0.3)
        expect(f"answer to {data[:8].hex()}, {len(data)} bytes", answer, None)


async def garbage(target: Target):
    """A server that gets noise goes on serving."""

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for n in range(2000):
                sock.sendto(os.urandom(n % 1500), ("127.0.0.1", target.port))

    await asyncio.gather(asyncio.to_thread(send), one_get(MIB)(target))
    await one_get(1000)(target)


CASES = {
    "get-1": one_get(1),
    "get-0": one_get(0),
    "get-1M": one_get(1_000_000),
    "get-50M": one_get(50_000_000),
    "get-100-concurrent": concurrent,
    "get-500": many_in_a_row,
    "get-file": file,
    "get-no-file": no_file,
    "post-echo-1": one_post(1),
    "post-echo-10M": one_post(10 * MIB),
    "both-ways": both_ways,
    "key-update": key_update,
    "20-connections": many_connections,
    "version-2": one_get(100_000, supported_versions=[0x6B3343CF]),
    "aes-256": one_get(100_000, cipher_suites=[CipherSuite.AES_256_GCM_SHA384]),
    "chacha20": one_get(100_000, cipher_suites=[CipherSuite.CHACHA20_POLY1305_SHA256]),
    "connection-id-20": one_get(100_000, connection_id_length=20),
    "version-unknown": version_negotiation,
    "no-answer": no_answer,
    "garbage": garbage,
}


class LyingClient(QuicConnectionProtocol):
    """Tells one lie and waits for what it gets for it."""

    lie: lies.Lie

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.liar = lies.Liar(self._quic)
        self.outcome = self._loop.create_future()
        self.lie.prepare(self.liar)

    def quic_event_received(self, event):
        if isinstance(event, HandshakeCompleted):
            if not self.lie.speaks_control:
                self.liar.control()
            self.lie.act(self.liar)
        if isinstance(event, ConnectionTerminated):
            self._conclude("connection", event.error_code)
        elif isinstance(event, (StreamReset, StopSendingReceived)):
            if self.lie.scope == "stream":
                self._conclude("stream", event.error_code)

    def _conclude(self, scope: str, code: int):
        if not self.outcome.done():
            self.outcome.set_result((scope, code))


def lying(lie: lies.Lie):
    async def case(target: Target):
        protocol = type("Telling", (LyingClient,), {"lie": lie})
        changes = {} if lie.alpn is None else {"alpn_protocols": [lie.alpn]}
        wanted = f"{lie.scope} {tuple(map(hex, lie.codes))}"
        async with client(target, protocol=protocol, wait=False, **changes) as connection:
            connection.transmit()
            try:
                async with asyncio.timeout(8):
                    scope, code = await connection.outcome
            except TimeoutError:
                raise AssertionError(f"no error, not {wanted}") from None
            fits = scope == lie.scope or (target.lenient and scope == "connection")
            if not fits or code not in lie.codes:
                raise AssertionError(f"{scope} 0x{code:x}, not {wanted}")

    return case


CASES |= {f"lie-{name}": lying(lie) for name, lie in lies.CLIENT.items()}
