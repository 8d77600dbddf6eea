"""HTTP/3 on aioquic for both roles, and the certificates that the tests use."""

import asyncio
import datetime
import hashlib
import ipaddress
import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamReset
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# What aioquic logs about lies that it is told to tell is of no interest.
logging.getLogger("quic").setLevel(logging.CRITICAL)

WINDOW = 16 * 1024 * 1024


def generated(size: int) -> bytes:
    """The bytes that our own server answers to a request for `/size`."""
    pattern = bytes(range(256))
    return (pattern * (size // 256 + 1))[:size]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Certificates:
    """Files in PEM: an authority, what it issued for localhost, and an unrelated authority."""

    ca: Path
    cert: Path
    key: Path
    other_ca: Path

    @staticmethod
    def make(directory: Path) -> "Certificates":
        ca_key, ca = _certificate("test authority", None)
        _, other_ca = _certificate("other authority", None)
        key, leaf = _certificate("localhost", (ca_key, ca))
        files = Certificates(*(directory / f"{n}.pem" for n in ("ca", "cert", "key", "other")))
        pem = serialization.Encoding.PEM
        files.ca.write_bytes(ca.public_bytes(pem))
        files.other_ca.write_bytes(other_ca.public_bytes(pem))
        files.cert.write_bytes(leaf.public_bytes(pem) + ca.public_bytes(pem))
        files.key.write_bytes(
            key.private_bytes(
                pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files


def _certificate(name, issuer):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    ca_key, ca = issuer or (key, None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ca.subject if ca else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
    )
    if issuer is None:
        usage = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        builder = builder.add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage),
            critical=True,
        )
    else:
        names = [x509.DNSName("localhost")] + [
            x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1")
        ]
        builder = builder.add_extension(
            x509.SubjectAlternativeName(names), critical=False
        ).add_extension(
            x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
    return key, builder.sign(ca_key, hashes.SHA256())


def client_configuration(ca: Path | None, **changes) -> QuicConfiguration:
    """For a client that trusts `ca`, or anyone where that is None."""
    configuration = QuicConfiguration(
        is_client=True,
        alpn_protocols=H3_ALPN,
        server_name="localhost",
        max_data=2 * WINDOW,
        max_stream_data=WINDOW,
    )
    if ca is None:
        configuration.verify_mode = ssl.CERT_NONE
    else:
        configuration.load_verify_locations(cafile=str(ca))
    for name, value in changes.items():
        setattr(configuration, name, value)
    return configuration


@dataclass
class Response:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class StreamFailed(Exception):
    """The peer reset a request, or closed the connection under it."""


class Client(QuicConnectionProtocol):
    """Sends requests and collects responses."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.waiting: dict[int, tuple[asyncio.Future, Response]] = {}
        self.terminated: ConnectionTerminated | None = None

    async def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        stream = self._quic.get_next_available_stream_id()
        headers = [
            (b":method", method.encode()),
            (b":scheme", b"https"),
            (b":authority", b"localhost"),
            (b":path", path.encode()),
        ]
        if body is not None:
            headers.append((b"content-length", str(len(body)).encode()))
        self.http.send_headers(stream, headers, end_stream=body is None)
        if body is not None:
            self.http.send_data(stream, body, end_stream=True)
        future = self._loop.create_future()
        self.waiting[stream] = (future, Response())
        self.transmit()
        return await future

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            self.terminated = event
            for future, _ in self.waiting.values():
                if not future.done():
                    future.set_exception(
                        StreamFailed(f"closed 0x{event.error_code:x} {event.reason_phrase}")
                    )
            return
        if isinstance(event, StreamReset) and event.stream_id in self.waiting:
            future, _ = self.waiting.pop(event.stream_id)
            future.set_exception(StreamFailed(f"reset 0x{event.error_code:x}"))
        for happened in self.http.handle_event(event):
            self._http_event(happened)

    def _http_event(self, event):
        if event.stream_id not in self.waiting:
            return
        future, response = self.waiting[event.stream_id]
        if isinstance(event, HeadersReceived):
            fields = {k.decode(): v.decode() for k, v in event.headers}
            if ":status" in fields:
                response.status = int(fields[":status"])
            response.headers.update(fields)
        elif isinstance(event, DataReceived):
            response.body += event.data
        else:
            return
        if event.stream_ended and not future.done():
            del self.waiting[event.stream_id]
            future.set_result(response)
