#!/usr/bin/env python3
"""Writes seeds/: inputs that get a fuzzer past what it would be long in finding.

The formats are those of src/targets; the seeds are committed, so this runs only when one changes.
"""

from pathlib import Path

ROOT = Path(__file__).parent / "seeds"


def varint(v):
    for bits, size in ((6, 1), (14, 2), (30, 4), (62, 8)):
        if v < 1 << bits:
            return (v | {1: 0, 2: 1, 4: 2, 8: 3}[size] << bits).to_bytes(size, "big")
    raise ValueError(v)


def vvec(data):
    return varint(len(data)) + data


def chunk(data):
    """`Input::chunk`."""
    assert len(data) < 255
    return bytes([len(data)]) + data


def write(target, seeds):
    directory = ROOT / target
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    for name, data in seeds.items():
        (directory / name).write_bytes(data)


def frames(mine, theirs):
    """One of each frame, by a peer whose streams begin at `mine` and the other's at `theirs`."""
    cid = b"12345678"
    token = bytes(range(16))
    return {
        "padding": bytes(3),
        "ping": b"\x01",
        "ack": b"\x02" + varint(3) + varint(0) + varint(1) + varint(0) + varint(0) + varint(0),
        "ack_ecn": b"\x03" + varint(2) + varint(0) + varint(0) + varint(2) + varint(1) * 3,
        "reset_stream": b"\x04" + varint(mine) + varint(7) + varint(4),
        "stop_sending": b"\x05" + varint(theirs) + varint(7),
        "crypto": b"\x06" + varint(0) + vvec(b"\x04\0\0\x02hi"),
        "crypto_far": b"\x06" + varint(1 << 40) + vvec(b"hi"),
        "new_token": b"\x07" + vvec(b"token"),
        "stream": b"\x0a" + varint(mine) + vvec(b"data"),
        "stream_off_fin": b"\x0f" + varint(mine) + varint(4) + vvec(b"more"),
        "stream_uni": b"\x0b" + varint(mine | 2) + vvec(b"data"),
        "stream_rest": b"\x08" + varint(mine + 4) + b"to the end",
        "max_data": b"\x10" + varint(1 << 20),
        "max_stream_data": b"\x11" + varint(theirs) + varint(1 << 20),
        "max_streams": b"\x12" + varint(50) + b"\x13" + varint(50),
        "blocked": b"\x14" + varint(9) + b"\x15" + varint(mine) + varint(9) + b"\x16" + varint(9) + b"\x17\x09",
        "new_connection_id": b"\x18" + varint(1) + varint(0) + bytes([8]) + cid + token,
        "new_connection_id_retire": b"\x18" + varint(2) + varint(2) + bytes([8]) + cid[::-1] + token[::-1],
        "retire_connection_id": b"\x19" + varint(0),
        "path_challenge": b"\x1a" + cid,
        "path_response": b"\x1b" + cid,
        "close": b"\x1c" + varint(10) + varint(6) + vvec(b"why"),
        "close_app": b"\x1d" + varint(10) + vvec(b"why"),
        "handshake_done": b"\x1e",
        "datagram": b"\x31" + vvec(b"data"),
        "ack_frequency": varint(0xAF) + varint(1) * 4,
    }


def frame_seeds(mine, theirs):
    exchange, initial, handshake, one_rtt = b"\0", b"\x06", b"\x0e", b"\x16"
    seeds = {
        name: b"\0" + one_rtt + chunk(frame) + exchange + b"\x01\x05" + exchange
        for name, frame in frames(mine, theirs).items()
    }
    everything = b"".join(one_rtt + chunk(f) for n, f in frames(mine, theirs).items() if "close" not in n)
    seeds["everything"] = b"\0" + everything + exchange
    seeds["acked"] = b"\0" + (b"\x14" + chunk(b"\x01") + exchange) * 5
    early = b"".join(initial + chunk(f) for f in frames(mine, theirs).values())
    seeds["initial"] = b"\x01" + early
    seeds["between"] = b"\x01" + exchange + b"".join(handshake + chunk(f) for f in frames(mine, theirs).values()) + exchange
    seeds["skipped"] = b"\0" + b"\x12\x09" + b"\x14" + chunk(b"\x01") + exchange
    seeds["key_update"] = b"\0" + exchange + b"\x03\0" + b"\x15\x04" + chunk(b"\x01") + exchange
    seeds["migrate"] = b"\0" + exchange + b"\x03\x05" + one_rtt + chunk(b"\x01") + exchange * 3
    seeds["idle"] = b"\0" + exchange + b"\x01\xc0" + exchange
    return seeds


def tparam(id, value):
    return varint(id) + vvec(value)


def tparam_seeds():
    cid, token = b"12345678", bytes(range(16))
    address = bytes(4) + b"\x01\xbb" + bytes(16) + b"\x01\xbb" + bytes([8]) + cid + token
    params = {
        "odcid": tparam(0, cid),
        "idle": tparam(1, varint(10)),
        "token": tparam(2, token),
        "udp_payload": tparam(3, varint(1200)),
        "udp_payload_small": tparam(3, varint(1199)),
        "max_data": tparam(4, varint((1 << 62) - 1)),
        "streams": tparam(8, varint(1 << 60)),
        "streams_many": tparam(8, varint((1 << 60) + 1)),
        "ack_delay_exponent": tparam(10, varint(20)),
        "max_ack_delay": tparam(11, varint((1 << 14) - 1)),
        "no_migration": tparam(12, b""),
        "preferred_address": tparam(13, address),
        "cid_limit": tparam(14, varint(2)),
        "scid": tparam(15, b"puppet!!"),
        "retry_scid": tparam(16, cid),
        "version_information": tparam(17, bytes([0, 0, 0, 1, 0x6B, 0x33, 0x43, 0xCF])),
        "version_2": tparam(17, bytes([0, 0, 0, 1, 0, 0, 0, 1, 0x6B, 0x33, 0x43, 0xCF])),
        "datagram": tparam(32, varint(65535)),
        "grease_bit": tparam(0x2AB2, b""),
        "min_ack_delay": tparam(0xFF04DE1B, varint(1000)),
        "unknown": tparam(31 * 5 + 27, b"anything"),
    }
    seeds = {name: b"\x01" + p for name, p in params.items()}
    seeds["needed_alone"] = b"\x01"
    seeds["all_alone"] = b"\0" + b"".join(params.values())
    seeds["twice"] = b"\x01" + params["idle"] * 2
    return seeds


def h3_frame(kind, payload):
    return varint(kind) + vvec(payload)


# Field sections without a dynamic table: indexed lines of the static table, then literals.
GET = bytes([0, 0, 0xC0 | 17, 0xC0 | 23, 0xC0 | 1, 0x50, 1]) + b"a"
POST = bytes([0, 0, 0xC0 | 20, 0xC0 | 23, 0xC0 | 1, 0x50, 1]) + b"a"
CONNECT = bytes([0, 0, 0xC0 | 15, 0x50, 3]) + b"a:1"
OK = bytes([0, 0, 0xC0 | 25])
EARLY_HINTS = bytes([0, 0, 0xC0 | 24])
TRAILERS = bytes([0, 0, 0x23]) + b"abc" + b"\x01d"
SETTINGS = h3_frame(4, varint(1) + varint(0) + varint(6) + varint(1000) + varint(0x33) + varint(1))


def h3_seeds(message, streams):
    """`streams` that the peer can write to are there from the start."""
    bidi, uni, pump = b"\x02", b"\x03", b"\0"

    def on(n, data, fin=False):
        n <<= 3
        return bytes([n | 4]) + chunk(data) + (bytes([n | 6]) if fin else b"") + pump

    s = streams
    control = uni + on(s, b"\0" + SETTINGS)
    request = b"" if streams else bidi
    m = 0 if streams else 1
    out = {
        "control": control,
        "message": control + request + on(m, message[0], True),
        "content": control + request + on(m, message[1] + h3_frame(0, b"content") + h3_frame(1, TRAILERS), True),
        "interim": control + request + on(m, h3_frame(1, EARLY_HINTS) + message[0], True),
        "connect": control + request + on(m, h3_frame(1, CONNECT) + h3_frame(0, b"tunnel")),
        "qpack_streams": control + uni + on(s + 1, b"\x02\x20") + uni + on(s + 2, b"\x03\x44"),
        "goaway": control + on(s, h3_frame(7, varint(0))),
        "max_push": control + on(s, h3_frame(13, varint(9))),
        "cancel_push": control + on(s, h3_frame(3, varint(9))),
        "priority": control + on(s, h3_frame(0xF0700, varint(0) + b"u=1, i")),
        "push_stream": control + uni + on(s + 1, b"\x01\x05"),
        "reserved_stream": control + uni + on(s + 1, varint(0x21) + b"anything", True),
        "reserved_frame": control + on(s, h3_frame(0x21, b"anything")),
        "h2_frame": control + on(s, h3_frame(6, b"anything")),
        "second_control": control + uni + on(s + 1, b"\0"),
        "closed_control": control + bytes([s << 3 | 6]) + pump,
        "reset": control + request + on(m, message[1]) + bytes([m << 3 | 7 if m & 1 == 0 else 7, 9]) + pump,
        "long_frame": control + request + on(m, varint(1) + varint(1 << 60) + b"x"),
        "data_first": control + request + on(m, h3_frame(0, b"content")),
    }
    return out


def codec_seeds():
    section = {"get": GET, "post": POST, "connect": CONNECT, "ok": OK, "trailers": TRAILERS}
    section["huffman"] = bytes([0, 0, 0x51, 0x85, 0x60, 0xD5, 0x48, 0x5F, 0x2B, 0xCE, 0x9A, 0x68])
    section["never_indexed"] = bytes([0, 0, 0x7F, 0x45, 1]) + b"s"
    section["dynamic"] = bytes([2, 0, 0x80])
    write("qpack_decoder", {n: b"\x10\0" + s for n, s in section.items()})
    write(
        "qpack_encoder_stream",
        {
            "capacity_0": b"\x01\x20",
            "capacity_220": b"\x01\x3f\xbd\x01",
            "insert_static": b"\x01\xc0\x0fwww.example.com",
            "insert_literal": b"\x02\x4acustom-key\x0ccustom-value",
            "duplicate": b"\x01\x02",
            "cancel": b"\x01\x48\x7f\x20",
            "section_ack": b"\x01\x84",
            "increment": b"\x01\x01",
            "long": b"\x03\x3f" + b"\xff" * 12,
        },
    )
    write(
        "huffman",
        {
            "www": b"\0\xff" + bytes.fromhex("f1e3c2e5f23a6ba0ab90f4ff"),
            "date": b"\0\x05" + bytes.fromhex("d07abe941054d444a8200595040b8166e082a62d1bff"),
            "text": b"\x10\0no-cache, https://www.example.com",
            "eos": b"\x10\0" + b"\xff" * 4,
        },
    )
    write(
        "common_codec",
        {
            "varints": chunk(b"\0" * 4) + bytes.fromhex("c2197c5eff14e88c9d7f3e7d7bbd25"),
            "vectors": chunk(b"\x01\x12\x22\x82\x0c\x08") + vvec(b"abc") + b"\x01d\0\x02ef" + bytes(8),
            "pieces": b"\x02" + vvec(b"abc") + vvec(b"") + b"\x40\x02de" + varint(20000) + b"cut",
            "huge": b"\x01" + b"\xff" * 9,
        },
    )
    # RFC 9001, Section A.2.
    hello = bytes.fromhex(
        "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c000004130113"
        "02010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d001700180010"
        "0007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753d"
        "e171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305030603020308040805080600"
        "2d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff08011001048000"
        "75300901100f088394c8f03e51570806048000ffff"
    )
    write("crypto_client_hello", {"rfc9001": hello, "body": hello[4:], "cut": hello[:100]})


def datagram_seeds():
    version, cid = bytes([0, 0, 0, 1]), b"12345678"
    whole = b"\0\0\x0c"  # `mutated` that changes nothing
    plain = b"\x05\0\0"
    long = b"\x03\x40" + b"\0" + chunk(cid) + chunk(cid) + b"\x01" + chunk(b"") + chunk(bytes(40)) + b"\x01"
    unknown = b"\x03\x40" + b"\x02" + b"\x1a\x2a\x3a\x4a" + chunk(cid) + chunk(cid) + b"\0" + chunk(b"") + b"\x01"
    write(
        "server_datagrams",
        {
            "short": b"\0\x01" + chunk(b"\x40" + bytes(60)),
            "reset": b"\0" + (b"\x01" + chunk(b"\x40" + bytes(200))) * 3,
            "long": b"\0" + long,
            "version": b"\0" + unknown,
            "flight": b"\0\x04\0\0\x05\0\0\0\x08\0\x08",
            "flights": b"\0" + b"".join(bytes([p << 4 | 4, 0, 0, p << 4 | 5, 0, 0]) for p in range(8)),
            "retry": b"\x01\x04\0\0\x05\0\0",
            "changed": b"\0\x04\x01\0\x06\xff\0\x05\0\0",
            "coalesced": b"\0\x04\0\x01" + chunk(b"\xe0" + version + chunk(cid) + chunk(cid) + b"\x14" + bytes(20)) + plain,
            "empty": b"\0\x01\0\x01\0",
            "late": b"\0\x04\0\0\0\xff\x05\0\0\0\xff",
        },
    )
    write(
        "client_datagrams",
        {
            "versions": b"\x02\x2a" + chunk(bytes.fromhex("6b3343cf0a0a0a0a")),
            "versions_ours": b"\x02\x2a" + chunk(version),
            "retry": b"\x03" + chunk(b"token" + bytes(16)),
            "initial": b"\x04" + chunk(b"\0\x40\x40" + bytes(64)),
            "answers": b"\x05\0\0\x0d\0\0\x15\0\0\x1d\0\0",
            "changed": b"\x05\x01\0\x40\x01\0\x05\0\0",
            "reset": b"\x01" + chunk(b"\x40" + bytes(50)),
            "late": b"\0\x40\0\x80\0\xff",
            "answers_late": b"\0\x40\x05\0\0\x0d\0\0\0\x80",
        },
    )
    ops = {
        "clean": b"",
        "lossy": b"\x01\0\0" * 60,
        "late": b"\x03\x20\0\0\x03\x80" * 40,
        "twice": b"\x24\0" * 60,
        "changed": b"\x05\x01\0\x30\x01\0\0" * 20,
        "version": b"\x05\x01\0\x04\x01\0",
        "blackout": b"\0\0" + b"\x01" * 60,
        "server_lost": b"\0\0\x01\x01\x01\x01",
    }
    write("connection_pair", ops)


def main():
    codec_seeds()
    datagram_seeds()
    write("server_frames", frame_seeds(0, 1))
    write("client_frames", frame_seeds(1, 0))
    write("server_transport_parameters", tparam_seeds())
    write("client_transport_parameters", tparam_seeds())
    write("http3_server_stream", h3_seeds((h3_frame(1, GET), h3_frame(1, POST)), 0))
    write("http3_client_stream", h3_seeds((h3_frame(1, OK), h3_frame(1, OK)), 2))


main()
