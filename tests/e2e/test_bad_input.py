"""What bad input gets, over each transport: the narrowest of stream, session and connection ends, with one
line and one count, and without memory; nobody else notices. Over tls alone: test_hostile, HTTP/2 itself:
test_http2, texts of older generations and their silence: test_generations."""

import struct

import pytest

import carriers
import legacy
import tunnel
import websocket
import yamux
from carriers import TRANSPORTS
from test_hostile import BAD_MESSAGES, VIOLATIONS, one_ending
from traffic import Reference
from yamux import ACK, DATA, FIN, PING, RST, SYN, WINDOW, authenticate, frame, message, published, submit

CARRIERS = TRANSPORTS[1:]
MIB = 1 << 20


@pytest.fixture
def running(world):
    """A gateway at work: transfers run until the test is over, by another client."""
    gateway, _, port, _ = world.published()
    with Reference(port):
        yield gateway, port


def ends(session):
    session.pump(lambda: False, 5)
    assert session.ended, "the session goes on"
    assert session.goaway in (None, 1), session.goaway


# ---- sessions that end ----

SOME = [
    "version 1",
    "type 255",
    "data past the window",
    "stream with our parity",
    "id in use",
    "body of 4 GiB on a new stream",
    "window past 4 GiB",
    "noise",
    "reset of the control stream",
]


@pytest.mark.parametrize("transport", CARRIERS)
@pytest.mark.parametrize("name", SOME)
def test_violations(running, transport, name):
    gateway, port = running
    with carriers.dial(transport, gateway.port) as session:
        session.published = port
        session.login()
        VIOLATIONS[name](session)
        ends(session)
    one_ending(gateway, session.peer, "(?i)protocol|control|closed|lost|reset|going|done")


@pytest.mark.parametrize("transport", CARRIERS)
@pytest.mark.parametrize("name", ["too long", "empty", "truncated", "not UTF-8", "too deep"])
def test_messages(running, transport, name):
    gateway, _ = running
    with carriers.dial(transport, gateway.port) as session:
        text = BAD_MESSAGES[name]
        session.send(frame(DATA, SYN, 1, body=text[:16384]))
        for place in range(16384, len(text), 16384):
            session.send(frame(DATA, 0, 1, body=text[place : place + 16384]))
        ends(session)
    one_ending(gateway, session.peer, "(?i)protocol")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_each_is_counted_once(world, transport):
    gateway = world.gateway(top={"log": {"level": "debug", "format": "json"}}).ready()
    names = [name for name in SOME if name != "reset of the control stream"]  # is an end, and no error
    for name in names:
        with carriers.dial(transport, gateway.port) as session:
            session.published = 1
            session.login()
            VIOLATIONS[name](session)
            ends(session)
    gateway.stop()
    (counters,) = [record for record in gateway.records() if record.get("msg") == "counters"]
    assert counters["protocol_errors"] == len(names)


# ---- streams that end alone ----


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_streams_end_alone(running, transport):
    """No name, a name that is none, a target that is none, an end in the head: the session goes on."""
    gateway, port = running
    texts = [
        (b"\0\0" + b"\0\1", b"Invalid proxy name length (must be 1-255 bytes)"),
        (b"\1\0", b"Invalid proxy name length (must be 1-255 bytes)"),
        (b"\0\2\xff\xfe\0\1", None),
        (b"\0\3a\0b\0\1", None),
        (b"\0\3dbx\0\7", b"Proxy 'dbx' with publish_port 7 not found or client not connected"),
        (b"\0\x0a@forward:a\0\0", b"Forward feature is not enabled on server"),
    ]
    with carriers.dial(transport, gateway.port) as session:
        session.login()
        for head, text in texts:
            number = session.open(head)
            stream = session.stream(number)
            assert session.pump(lambda stream=stream: stream.rst), head
            said = b"\0" + struct.pack(">H", len(text)) + text if text else b""
            assert bytes(stream.received) == said, head
        number = session.open(b"\0\5my")
        session.data(number, b"", FIN)
        assert session.pump(lambda: session.stream(number).rst)
        session.send(frame(PING, SYN, 0, 4711))
        assert session.pump(lambda: (PING, ACK, 0, 4711) in session.frames)
        assert session.goaway is None
        refused = [line for line in gateway.matching("refused") if session.peer in line]
        assert len(refused) == len(texts), refused


@pytest.mark.parametrize("transport", CARRIERS)
def test_what_must_be_tolerated(running, transport):
    gateway, port = running
    with carriers.dial(transport, gateway.port) as session:
        session.login()
        session.send(
            frame(DATA, FIN, 99) + frame(WINDOW, RST, 101) + frame(DATA, 0, 103, body=b"x" * 100)
            + frame(WINDOW, 0, 105, 1000) + frame(PING, ACK, 0, 77) + frame(PING, SYN | 0x40, 0, 78)
            + frame(DATA, SYN | RST, 107) + frame(DATA, 0, 1) + frame(WINDOW, 0, 1, 16 << 20)
            + frame(PING, SYN, 0, 79) * 100
        )  # fmt: skip
        lazy = frame(WINDOW, SYN, 109, 786432) + frame(DATA, 0, 109) + frame(DATA, 0, 109, body=b"\0\3web")
        session.send(lazy + frame(DATA, 0, 109, body=struct.pack(">H", port)))
        assert session.read(109, 1) == b"\x01"
        session.send(frame(PING, SYN, 0, 4711))
        assert session.pump(lambda: (PING, ACK, 0, 4711) in session.frames), (session.ended, session.goaway)


# ---- what the carrier itself does not allow ----


@pytest.mark.parametrize(
    "raw, code",
    [
        (websocket.frame(websocket.BINARY, b"x", masked=False), 1002),
        (websocket.frame(websocket.BINARY, b"x", reserved=4), 1002),
        (websocket.frame(3, b"x"), 1002),
        (websocket.frame(websocket.PING, b"x" * 126), 1002),
        (websocket.frame(websocket.TEXT, b"\xff"), 1007),
        (b"\x82\xff\xff" + bytes(11), 1002),
    ],
    ids=["not masked", "reserved bit", "opcode 3", "long ping", "text", "length"],
)
def test_websocket_frames(running, raw, code):
    gateway, _ = running
    with carriers.dial("wss", gateway.port) as session:
        session.login()
        session.sock.sock.sendall(raw)
        session.pump(lambda: False, 5)
        assert session.ended and session.sock.code == code
    one_ending(gateway, session.peer, "(?i)protocol")


# ---- within memory ----


def grown_mib(gateway, before):
    return (gateway.rss_kib() - before) / 1024


skip_sanitized = pytest.mark.skipif(tunnel.SANITIZED, reason="a sanitizer's own memory is not ours")


@skip_sanitized
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_strangers_get_no_memory(world, transport):
    """Fifty that have not logged in announce ten megabytes, a gigabyte, and send what they can."""
    gateway = world.gateway().ready()
    with carriers.dial(transport, gateway.port) as session:
        session.login()
    before = gateway.rss_kib()
    for turn in range(50):
        with carriers.dial(transport, gateway.port) as session:
            text = struct.pack(">I", [10 * MIB, 1 << 30, 65537][turn % 3]) + b'{"a":"' + b"x" * 200_000
            session.send(
                b"".join(
                    frame(DATA, 0 if at else SYN, 1, body=text[at : at + 16384])
                    for at in range(0, len(text), 16384)
                )
            )
            session.pump(lambda: False, 5)
            assert session.ended
    assert grown_mib(gateway, before) < 8


@skip_sanitized
def test_a_message_of_ten_megabytes(world):
    """Behind a login it may be so long: it is judged, costs a few times that at most, and goes again."""
    gateway = world.gateway().ready()
    before = gateway.rss_kib()
    text = yamux.compact(submit([published("a", tunnel.free_port())]))
    for size, fine in ((10 * MIB, True), (10 * MIB + 1, False)):
        with carriers.dial("tls", gateway.port) as session:
            session.call(authenticate())
            raw = message(text.replace(",", "," + " " * (size - len(text)), 1))
            at = 0
            while at < len(raw) and not session.ended:
                size = min(16384, len(raw) - at, session.stream(1).credit - at)
                if size > 0:
                    session.data(1, raw[at : at + size])
                    at += size
                session.pump(lambda: True if size > 0 else session.stream(1).credit > at, 5)
                session._read(0.0001)
            answer = session.answer(20)
            assert fine == bool(answer), answer
            assert grown_mib(gateway, before) < 64
    tunnel.until(lambda: grown_mib(gateway, before) < 32, gateway.log)


@skip_sanitized
def test_older_lengths_cost_nothing(world):
    """A key of 1,025 bytes, configurations of two gigabytes and of ten megabytes and one byte."""
    gateway = world.gateway().ready()
    session, _ = legacy.login(gateway.port, "1.4")
    session.close()
    before = gateway.rss_kib()
    for turn in range(60):
        with legacy.dial(gateway.port) as raw:
            if turn % 3 == 0:
                raw.send(legacy.sized("k" * 1025))
                assert raw.rest() == legacy.TOO_LONG
                continue
            size = 1 << 31 if turn % 3 == 1 else 10 * MIB + 1
            raw.send(legacy.key_message("1.4"))
            assert raw.read(1) == b"\x01"
            try:
                raw.send(struct.pack(">I", size) + b'{"version":1,"a":"' + b"x" * 100_000)
            except OSError:
                pass
            assert raw.rest() == b""
        tunnel.until(lambda peer=raw.peer: gateway.endings(peer) or turn > 5, gateway.log)
    assert grown_mib(gateway, before) < 8


# ---- the client ----


@pytest.mark.parametrize("transport", CARRIERS)
@pytest.mark.parametrize("name", ["version 1", "noise", "id in use", "end of the control stream"])
def test_gateways_that_break_rules(world, transport, name):
    """The link ends with one line, and the next one is as good as the first."""
    raw = {
        "version 1": frame(PING, SYN, 0, 1, version=1),
        "noise": bytes(range(60, 200)),
        "id in use": frame(WINDOW, SYN, 2) * 2,
        "end of the control stream": frame(DATA, FIN, 1),
    }[name]
    service = world.service()
    with carriers.server(transport, world.certificate) as listening:
        proxies = [tunnel.proxy("web", 8080, service.port)]
        client = world.client(listening.address, transport=transport, proxies=proxies)
        for _ in range(2):
            with listening.accept() as session:
                session.admit()
                assert session.hear() == yamux.HEARTBEAT
                seen = len(client.lines)
                session.send(raw)
                session.pump(lambda: False, 5)
                assert session.ended
            client.wait_line("link lost", since=seen)
            tunnel.until(lambda: len(client.matching("link lost", seen)) == 1, client.log)
