"""What a peer must not say, and the error that it must get for it."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType

import pylsqpack
from aioquic.buffer import Buffer, encode_uint_var
from aioquic.quic.connection import QuicConnection

DATA, HEADERS, CANCEL_PUSH, SETTINGS, PUSH_PROMISE, GOAWAY, MAX_PUSH_ID = 0, 1, 3, 4, 5, 7, 13
CONTROL, PUSH, ENCODER, DECODER = 0, 1, 2, 3


def varint(value: int) -> bytes:
    return encode_uint_var(value)


def frame(kind: int, payload: bytes = b"") -> bytes:
    """An HTTP/3 frame."""
    return varint(kind) + varint(len(payload)) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, b"".join(varint(k) + varint(v) for k, v in pairs))


def headers(*fields: tuple[str, str]) -> bytes:
    """A HEADERS frame that uses the static table only, whatever the fields are."""
    encoded = [(k.encode(), v.encode()) for k, v in fields]
    _, block = pylsqpack.Encoder().encode(0, encoded)
    return frame(HEADERS, block)


GET = (
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "localhost"),
    (":path", "/1"),
)
OK = ((":status", "200"),)


class Liar:
    """A connection below HTTP/3, for saying anything."""

    def __init__(self, quic: QuicConnection):
        self.quic = quic
        self.is_client = quic.configuration.is_client
        self.raw: list[bytes] = []
        ping = quic._write_ping_frame

        # aioquic asks for a PING; what is written is what the lie wants.
        def write(_, builder, *args, **kwargs):
            if not self.raw:
                return ping(builder, *args, **kwargs)
            for raw in self.raw:
                kind = Buffer(data=raw).pull_uint_var()
                buffer = builder.start_frame(kind, capacity=len(raw))
                buffer.push_bytes(raw[len(varint(kind)) :])
            self.raw.clear()

        quic._write_ping_frame = MethodType(write, quic)

    def frames(self, *raw: bytes):
        """Sends QUIC frames, all in one packet."""
        self.raw.extend(raw)
        self.quic.send_ping(0)

    def stream(self, data: bytes, fin: bool = False, uni: bool = True) -> int:
        """Opens a stream."""
        stream = self.quic.get_next_available_stream_id(is_unidirectional=uni)
        self.quic.send_stream_data(stream, data, fin)
        return stream

    def control(self, data: bytes = settings(), fin: bool = False) -> int:
        return self.stream(varint(CONTROL) + data, fin)

    def message(self, data: bytes, fin: bool = True):
        """Sends a request, or the response to the first one."""
        if self.is_client:
            self.stream(data, fin, uni=False)
        else:
            self.quic.send_stream_data(0, data, fin)


@dataclass
class Lie:
    name: str
    # What the error may be.
    code: int | tuple[int, ...]
    act: Callable[[Liar], None]
    # "connection" or "stream": what is to be ended by the error.
    scope: str = "connection"
    # The lie itself opens the control stream.
    speaks_control: bool = False
    # It is told by a transport parameter: the identifier, the value, and whether the true one is
    # sent as well.
    parameter: tuple[int, bytes, bool] | None = None
    # The only protocol on offer.
    alpn: str | None = None

    @property
    def codes(self) -> tuple[int, ...]:
        return self.code if isinstance(self.code, tuple) else (self.code,)

    def prepare(self, liar: Liar):
        if self.parameter is None:
            return
        identifier, value, repeat = self.parameter
        honest = liar.quic._serialize_transport_parameters
        lie = varint(identifier) + varint(len(value)) + value

        def serialize() -> bytes:
            out, source = b"", Buffer(data=honest())
            while not source.eof():
                key = source.pull_uint_var()
                data = source.pull_bytes(source.pull_uint_var())
                if key != identifier or repeat:
                    out += varint(key) + varint(len(data)) + data
            return out + lie

        liar.quic._serialize_transport_parameters = serialize

    def configure(self, configuration):
        if self.alpn is not None:
            configuration.alpn_protocols = [self.alpn]


def _control(name, code, data, fin=False, **more) -> Lie:
    return Lie(name, code, lambda liar: liar.control(data, fin), speaks_control=True, **more)


def _uni(name, code, data, fin=False, **more) -> Lie:
    return Lie(name, code, lambda liar: liar.stream(data, fin), **more)


def _message(name, code, data, fin=True, **more) -> Lie:
    return Lie(name, code, lambda liar: liar.message(data, fin), **more)


def _frames(name, code, *raw, **more) -> Lie:
    return Lie(name, code, lambda liar: liar.frames(*raw), **more)


def _parameter(name, identifier, value, repeat=False) -> Lie:
    return Lie(name, 0x8, lambda liar: None, parameter=(identifier, value, repeat))


def _stream_frame(stream: int, offset: int, data: bytes, fin: bool = False) -> bytes:
    head = bytes([0x0E | fin]) + varint(stream) + varint(offset)
    return head + varint(len(data)) + data


def _new_connection_id(sequence: int, retire: int) -> bytes:
    cid = sequence.to_bytes(8, "big")
    token = sequence.to_bytes(16, "big")
    return b"\x18" + varint(sequence) + varint(retire) + bytes([8]) + cid + token


H3 = [
    _control("settings-missing", 0x10A, frame(GOAWAY, varint(0))),
    _control("settings-twice", 0x105, settings() + settings()),
    _control("settings-of-http2", 0x109, settings((0x2, 0))),
    _control("settings-repeated", 0x109, settings((0x6, 100), (0x6, 100))),
    _control("settings-truncated", 0x106, frame(SETTINGS, b"\x06")),
    _control("control-data", 0x105, settings() + frame(DATA, b"x")),
    _control("control-headers", 0x105, settings() + headers(*GET)),
    _control("control-frame-of-http2", 0x105, settings() + frame(0x6, bytes(8))),
    _control("control-closed", 0x104, settings(), fin=True),
    _control("goaway-too-long", 0x106, settings() + frame(GOAWAY, varint(0) + b"x")),
    _uni("control-twice", 0x103, varint(CONTROL) + settings()),
    _uni("encoder-closed", 0x104, varint(ENCODER), fin=True),
    _uni("decoder-closed", 0x104, varint(DECODER), fin=True),
    _uni("encoder-capacity", 0x201, varint(ENCODER) + b"\x3f\xe1\xff\xff\xff\x0f"),
    _uni("encoder-duplicate-of-nothing", 0x201, varint(ENCODER) + b"\x00"),
    _uni("decoder-increment-zero", 0x202, varint(DECODER) + b"\x00"),
    _uni("decoder-acknowledges-nothing", 0x202, varint(DECODER) + b"\x80"),
    _message("qpack-static-index", 0x200, frame(HEADERS, b"\x00\x00\xff\x24")),
    _message("qpack-dynamic-index", 0x200, frame(HEADERS, b"\x00\x00\x80")),
    _message("data-before-headers", 0x105, frame(DATA, b"x")),
    _message("settings-on-request", 0x105, settings()),
    _message("goaway-on-request", 0x105, frame(GOAWAY, varint(0))),
    _message("frame-of-http2", 0x105, frame(0x2, bytes(5))),
    _message("frame-truncated", 0x106, varint(HEADERS) + varint(100) + b"\x00\x00"),
    _message("frame-type-truncated", 0x106, b"\x40"),
]

TRANSPORT = [
    _frames("frame-unknown", 0x7, varint(0x3E) + bytes(4)),
    _frames("frame-truncated", 0x7, b"\x06" + varint(0) + varint(3000) + b"x"),
    _frames("ack-of-unsent", 0xA, b"\x02" + varint(1 << 40) + varint(0) * 3),
    _frames("ack-range-below-zero", 0x7, b"\x02" + varint(1) + varint(0) * 2 + varint(5)),
    _frames("flow-control", 0x3, _stream_frame(0, 1 << 40, b"x")),
    _frames("offset-beyond-maximum", (0x3, 0x7), _stream_frame(0, (1 << 62) - 1, b"xx")),
    _frames("max-streams-too-large", 0x7, b"\x12" + varint((1 << 60) + 1)),
    _frames("streams-blocked-too-large", (0x4, 0x7), b"\x16" + varint((1 << 60) + 1)),
    _frames("new-cid-retires-itself", 0x7, _new_connection_id(7, 8)),
    _frames("new-cid-too-long", 0x7, b"\x18\x07\x00" + bytes([21]) + bytes(37)),
    _frames("new-cid-too-many", 0x9, *(_new_connection_id(n, 0) for n in range(8, 30))),
    _frames("new-cid-changed", 0xA, _new_connection_id(1, 0)),
    _frames("retire-unknown-cid", 0xA, b"\x19" + varint(1 << 20)),
    _frames("crypto-too-far", 0xD, b"\x06" + varint(1 << 24) + varint(1) + b"x"),
    _parameter("parameter-ack-delay", 0x0B, varint(1 << 14)),
    _parameter("parameter-exponent", 0x0A, varint(21)),
    _parameter("parameter-repeated", 0x01, varint(1000), repeat=True),
    _parameter("parameter-payload-size", 0x03, varint(1199)),
    _parameter("parameter-streams", 0x08, varint((1 << 60) + 1)),
    _parameter("parameter-source-cid", 0x0F, b"not what it is"),
]


def _malformed(prefix, fields, *more) -> list[Lie]:
    """Messages that are malformed whoever sends them."""
    short = headers(*fields, ("content-length", "5")) + frame(DATA, b"1234")
    long = headers(*fields, ("content-length", "3")) + frame(DATA, b"1234")
    return [
        _message(f"{prefix}-{name}", 0x10E, data, scope="stream")
        for name, data in (
            ("uppercase", headers(*fields, ("Accept", "x"))),
            ("connection", headers(*fields, ("connection", "close"))),
            ("pseudo-unknown", headers(*fields, (":x", "y"))),
            ("pseudo-late", headers(("a", "b"), *fields)),
            ("pseudo-twice", headers(fields[0], *fields)),
            ("value-with-nul", headers(*fields, ("a", "b\0c"))),
            ("body-short", short),
            ("body-long", long),
            *more,
        )
    ]


CLIENT_ONLY = [
    _uni("push-stream", 0x103, varint(PUSH) + varint(0)),
    _message("push-promise", 0x105, frame(PUSH_PROMISE, varint(0) + b"\x00\x00")),
    _control(
        "max-push-id-decreases",
        0x108,
        settings() + frame(MAX_PUSH_ID, varint(5)) + frame(MAX_PUSH_ID, varint(4)),
    ),
    _parameter("parameter-of-server", 0x02, bytes(16)),
    Lie("alpn-unknown", 0x178, lambda liar: None, alpn="h4"),
    _frames("handshake-done", 0xA, b"\x1e"),
    _frames("new-token", 0xA, b"\x07\x01x"),
    _frames("stream-limit", 0x4, _stream_frame(4 << 20, 0, b"x")),
    _frames("stream-of-server", 0x5, _stream_frame(1 << 12 | 1, 0, b"x")),
    _frames("max-data-of-receive-only", 0x5, b"\x11" + varint(2) + varint(100)),
    _frames(
        "final-size-changes", 0x6, _stream_frame(4, 10, b"", True), _stream_frame(4, 20, b"x")
    ),
    *_malformed(
        "request",
        GET,
        ("no-path", headers(*GET[:3])),
        ("no-method", headers(*GET[1:])),
        ("path-empty", headers(*GET[:3], (":path", ""))),
        ("status", headers(*GET, (":status", "200"))),
    ),
]

SERVER_ONLY = [
    _control("max-push-id", 0x105, settings() + frame(MAX_PUSH_ID, varint(1))),
    _control("goaway-of-no-request", 0x108, settings() + frame(GOAWAY, varint(1))),
    _control(
        "goaway-increases",
        0x108,
        settings() + frame(GOAWAY, varint(4)) + frame(GOAWAY, varint(8)),
    ),
    _control("cancel-unknown-push", 0x108, settings() + frame(CANCEL_PUSH, varint(1 << 20))),
    _uni("push-stream-unasked", 0x108, varint(PUSH) + varint(1 << 20)),
    _message(
        "push-promise-unasked",
        0x108,
        frame(PUSH_PROMISE, varint(1 << 20) + b"\x00\x00\xd1"),
        fin=False,
    ),
    Lie("server-bidi-stream", 0x103, lambda liar: liar.stream(headers(*OK), uni=False)),
    _frames("new-token-empty", 0x7, b"\x07\x00"),
    _frames("stream-limit", 0x4, _stream_frame(4 << 20 | 3, 0, b"x")),
    _frames("stream-of-client", 0x5, _stream_frame(1 << 12, 0, b"x")),
    _frames("stream-send-only", 0x5, _stream_frame(2, 0, b"x")),
    _frames("max-data-of-receive-only", 0x5, b"\x11" + varint(3) + varint(100)),
    _frames(
        "final-size-changes", 0x6, _stream_frame(0, 10, b"", True), _stream_frame(0, 20, b"x")
    ),
    *_malformed(
        "response",
        OK,
        ("no-status", headers(("a", "b"))),
        ("status-not-a-number", headers((":status", "2x0"))),
        ("path", headers(*OK, (":path", "/"))),
    ),
]


def _by_name(lies: list[Lie]) -> dict[str, Lie]:
    named = {}
    for lie in lies:
        kind = "quic" if lie.codes[0] < 0x100 or lie.alpn else "h3"
        name = f"{kind}-{lie.name}"
        assert name not in named, name
        named[name] = lie
    return named


# What a client tells a server, and a server a client.
CLIENT = _by_name(H3 + TRANSPORT + CLIENT_ONLY)
SERVER = _by_name(H3 + TRANSPORT + SERVER_ONLY)
