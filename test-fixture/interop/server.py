"""An HTTP/3 server on aioquic with the command line of our own, and some options to be difficult.

    server.py --root DIR --cert CERT --key KEY [--retry] [--versions LIST] [--lie NAME] HOST:PORT

`/N` is answered by N bytes, a POST to `/echo` by its body, a POST to anything else by the number
of bytes, and other paths by files below DIR. When a connection ends, the line `closed CODE` says
with which error, `transport` or `application` before the code.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from aioquic.asyncio import serve
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

import lies
from peer import WINDOW, generated


def say(line: str):
    print(line, flush=True)


def report(event):
    """Tells the test how the peer ended a connection or a stream."""
    if isinstance(event, ConnectionTerminated):
        level = "application" if event.frame_type is None else "transport"
        say(f"closed {level} 0x{event.error_code:x} {event.reason_phrase}")
    elif isinstance(event, (StreamReset, StopSendingReceived)):
        say(f"stream {event.stream_id} 0x{event.error_code:x}")


class Server(QuicConnectionProtocol):
    root = Path(".")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = None
        self.requests: dict[int, tuple[dict, bytearray]] = {}

    def quic_event_received(self, event):
        report(event)
        if self.http is None:
            self.http = H3Connection(self._quic)
        for happened in self.http.handle_event(event):
            if isinstance(happened, HeadersReceived):
                fields = {k.decode(): v.decode() for k, v in happened.headers}
                self.requests.setdefault(happened.stream_id, (fields, bytearray()))
            elif isinstance(happened, DataReceived):
                self.requests[happened.stream_id][1].extend(happened.data)
            else:
                continue
            if happened.stream_ended:
                self.answer(happened.stream_id, *self.requests.pop(happened.stream_id))

    def answer(self, stream: int, headers: dict, body: bytearray):
        status, content = self.content(headers[":method"], headers[":path"], bytes(body))
        fields = [
            (b":status", str(status).encode()),
            (b"content-length", str(len(content)).encode()),
        ]
        if headers[":method"] == "HEAD" or not content:
            self.http.send_headers(stream, fields, end_stream=True)
        else:
            self.http.send_headers(stream, fields)
            self.http.send_data(stream, content, end_stream=True)
        self.transmit()

    def content(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        name = path.lstrip("/")
        if method == "POST":
            return 200, body if name == "echo" else str(len(body)).encode()
        if name.isdecimal():
            return 200, generated(int(name))
        file = (self.root / name).resolve()
        if file.is_file() and file.is_relative_to(self.root.resolve()):
            return 200, file.read_bytes()
        return 404, b"not found\n"


class LyingServer(QuicConnectionProtocol):
    """Says what a server must not, once a request is here or before."""

    lie: lies.Lie

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.liar = lies.Liar(self._quic)
        self.told = False
        self.lie.prepare(self.liar)

    def quic_event_received(self, event):
        report(event)
        if isinstance(event, HandshakeCompleted) and not self.lie.speaks_control:
            self.liar.control()
        if isinstance(event, StreamDataReceived) and event.stream_id == 0 and not self.told:
            self.told = True
            self.lie.act(self.liar)
            self.transmit()


async def main(arguments: list[str]):
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, default=Path("."))
    parser.add_argument("--cert", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--retry", action="store_true")
    parser.add_argument("--versions", default="1,6b3343cf", help="QUIC versions in hexadecimal")
    parser.add_argument("--lie", choices=sorted(lies.SERVER))
    parser.add_argument("address")
    options = parser.parse_args(arguments)
    configuration = QuicConfiguration(
        is_client=False,
        alpn_protocols=H3_ALPN,
        max_data=2 * WINDOW,
        max_stream_data=WINDOW,
        supported_versions=[int(v, 16) for v in options.versions.split(",")],
    )
    configuration.load_cert_chain(options.cert, options.key)
    protocol = Server
    Server.root = options.root
    if options.lie is not None:
        protocol = LyingServer
        LyingServer.lie = lies.SERVER[options.lie]
        LyingServer.lie.configure(configuration)
    host, port = options.address.rsplit(":", 1)
    await serve(
        host,
        int(port),
        configuration=configuration,
        create_protocol=protocol,
        retry=options.retry,
    )
    say(f"listening on {options.address}")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
