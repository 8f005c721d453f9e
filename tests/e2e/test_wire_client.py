"""Our client as a scripted gateway sees it: first bytes, heartbeats, unusual gateways."""

import json
import socket
import struct
import time

import pytest

import tunnel
import yamux
from traffic import Content, end_of
from yamux import ACK, DATA, FIN, RST, SYN, WINDOW, Server, frame

HEARTBEAT = yamux.HEARTBEAT


@pytest.fixture
def server(certificate):
    with Server(certificate) as server:
        yield server


@pytest.fixture
def start(world, server, local):
    """Starts a client with one proxy (port 8080) towards the scripted gateway."""

    def go(**options):
        options.setdefault(
            "proxies", [tunnel.proxy("web", 8080, local.getsockname()[1], publish_addr="0.0.0.0")]
        )
        return world.client(server.address, **options)

    return go


def test_first_frames(start, server):
    """A ping at once, then stream 1 with the whole message in one frame, keys in the original order."""
    client = start()
    with server.accept() as session:
        assert session.pump(lambda: session.pings), "no ping"
        assert session.frames[0][:3] == (yamux.PING, SYN, 0)
        session.send(frame(yamux.PING, SYN, 0, 1))
        text = session.hear()
        request = json.loads(text)
        assert list(request) == ["jsonrpc", "method", "params", "id"] and request["id"] == 1
        assert request["method"] == "authenticate" and request["jsonrpc"] == "2.0"
        assert (
            request["params"]["auth_key"] == tunnel.KEY and request["params"]["protocol_version"] == "1.5.1"
        )
        assert session.opened == [1] and session.stream(1).frames[0] == (DATA, SYN, 4 + len(text))
        session.tell(
            {"jsonrpc": "2.0", "result": {"client_id": "client_1", "protocol_version": "1.5.1"}, "id": 1}
        )
        request = json.loads(session.hear())
        assert request["method"] == "submit_config" and request["id"] == 2
        assert request["params"] == {
            "proxies": [
                {
                    "local_port": client.proxies[0]["local_port"],
                    "name": "web",
                    "proxy_type": "tcp",
                    "publish_addr": "0.0.0.0",
                    "publish_port": 8080,
                }
            ],
            "visitors": [],
        }
        session.tell({"jsonrpc": "2.0", "result": {"rejected_proxies": []}, "id": 2})
        began = time.monotonic()
        assert session.hear() == HEARTBEAT
        assert time.monotonic() - began < 1, "the first heartbeat comes on entering Running"


def test_heartbeats_go_on(start, server):
    if not tunnel.FULL:
        pytest.skip("takes 30 s: FULL=1")
    start()
    with server.accept() as session:
        began = time.monotonic()
        session.admit()
        assert session.hear() == HEARTBEAT
        assert session.hear(35) == HEARTBEAT
        assert 28 < time.monotonic() - began < 34


def test_answers_split_at_every_byte(start, server):
    start()
    answers = [
        {"jsonrpc": "2.0", "result": {"client_id": "client_1", "protocol_version": "1.5.1"}, "id": 1},
        {"jsonrpc": "2.0", "result": {"rejected_proxies": []}, "id": 2},
    ]
    with server.accept() as session:
        session.send(frame(yamux.PING, SYN, 0, 1))
        for answer in answers:
            session.hear()
            for byte in yamux.message(answer):
                session.data(session.control, bytes([byte]))
        assert session.hear() == HEARTBEAT


def running(server, **options):
    session = server.accept(**options)
    session.admit()
    assert session.hear() == HEARTBEAT
    return session


def open_proxy(session, local, body=b"", port=8080, opening=None):
    number = session.open(struct.pack(">H", port) + body) if opening is None else opening(session)
    conn, _ = local.accept()
    conn.settimeout(tunnel.WAIT)
    return number, conn


def lazy(session):
    """As the Go library opens: WindowUpdate SYN, then the two bytes apart."""
    number, session.next_id = session.next_id, session.next_id + 2
    session.send(frame(WINDOW, SYN, number))
    session.data(number, b"\x1f")
    session.data(number, b"\x90")
    return number


@pytest.mark.parametrize("opening", [None, lazy], ids=["data syn", "window syn"])
def test_proxy_stream(start, server, local, opening):
    start()
    with running(server) as session:
        number, conn = open_proxy(session, local, opening=opening)
        with conn:
            session.data(number, b"question")
            assert conn.recv(8, socket.MSG_WAITALL) == b"question"
            assert session.pump(lambda: session.stream(number).ack)
            assert session.stream(number).frames[0] == (WINDOW, ACK, 0), "ACK at once, alone"
            body = bytes(Content(1, 1, 100_000).piece())
            conn.sendall(body)
            assert session.read(number, len(body)) == body
            conn.close()
            assert session.pump(lambda: session.stream(number).fin)
        assert sum(1 for _, flags, _ in session.stream(number).frames if flags & ACK) == 1
        assert sum(1 for _, flags, _ in session.stream(number).frames if flags & FIN) == 1


@pytest.mark.parametrize("kind, flags", [(DATA, RST), (DATA, FIN), (WINDOW, RST), (WINDOW, FIN)])
def test_every_form_of_an_end_delivers_what_came_before(start, server, local, kind, flags):
    start()
    with running(server) as session:
        body = bytes(Content(2, 0, 200_000).piece())
        number, conn = open_proxy(session, local, body)
        session.send(frame(kind, flags, number))
        with conn:
            assert end_of(conn) == (body, "eof")


def test_odd_streams_harm_nobody(start, server, local):
    """An unknown port, an end for an id never seen, data after the end, a stream of one byte."""
    start()
    with running(server) as session:
        number, conn = open_proxy(session, local)
        unknown = session.open(struct.pack(">H", 9))
        session.send(frame(DATA, FIN, 1000) + frame(DATA, RST, 1002) + frame(WINDOW, 0, 1004, 100))
        short = session.open(b"\x1f")
        session.data(short, b"", FIN)
        assert session.pump(lambda: session.stream(unknown).rst or session.stream(unknown).fin)
        session.data(unknown, b"late")
        session.data(number, b"still here")
        with conn:
            assert conn.recv(10, socket.MSG_WAITALL) == b"still here"
        assert not session.ended and session.goaway is None


def test_local_service_refuses(start, server):
    start(proxies=[tunnel.proxy("web", 8080, tunnel.free_port())], local_retries=1)
    with running(server) as session:
        number = session.open(struct.pack(">H", 8080))
        assert session.pump(lambda: session.stream(number).rst)
        assert not session.ended


def test_notifications_are_logged(start, server):
    client = start()
    with running(server) as session:
        session.tell(
            {
                "jsonrpc": "2.0",
                "method": "push_exception",
                "params": {"level": "warning", "code": "PROXY_BIND_RETRY", "message": "bind failed, says it"},
            }
        )
        session.tell({"jsonrpc": "2.0", "method": "of_the_future", "params": None})
        client.wait_line("bind failed, says it")
        session.send(frame(yamux.PING, SYN, 0, 5))
        assert session.pump(lambda: (yamux.PING, ACK, 0, 5) in session.frames), (
            "unknown notifications are harmless"
        )


def test_large_windows_are_legal(start, server, local):
    """A gateway that grants much more than 256 KiB at once, as the Rust library does."""
    start()
    with running(server, grants=False) as session:
        number, conn = open_proxy(session, local)
        session.send(frame(WINDOW, 0, number, 64 << 20))
        with conn:
            sent = Content(3, 1, 8 << 20)
            expected = Content(3, 1, 8 << 20)
            conn.settimeout(30)
            conn.setblocking(False)
            got = session.stream(number).received
            while not expected.whole:
                try:
                    sent.done += conn.send(sent.piece()) if not sent.whole else 0
                except BlockingIOError:
                    pass
                session.pump(lambda: got, 0.01)
                expected.check(bytes(got[: 1 << 16]))
                del got[: 1 << 16]


@pytest.mark.parametrize(
    "fault, pattern",
    [
        ("closes during login", "(?i)auth|wrong key"),
        ("refuses", "Invalid authentication key|(?i:authentication failed)"),
        ("closes during configuration", "(?i)config|reject"),
        ("closes the control stream", "(?i)control|closed|lost|ended"),
        ("goes away", "(?i)going away|goaway"),
        ("protocol error", "(?i)protocol"),
    ],
)
def test_every_end_is_named_and_followed_by_a_new_try(start, server, fault, pattern):
    client = start(reconnect={"min": "100ms", "max": "200ms", "retry_auth": True})
    session = server.accept()
    before = len(client.lines)
    if fault.startswith("closes during") or fault == "refuses":
        session.send(frame(yamux.PING, SYN, 0, 1))
        session.hear()
        if fault == "refuses":
            session.tell(
                {
                    "jsonrpc": "2.0",
                    "error": {"code": -32000, "message": "Invalid authentication key"},
                    "id": 1,
                }
            )
            # a close with unread bytes would be a reset, which can overtake the refusal
            session.pump(lambda: session.ended, 5)
        if fault == "closes during configuration":
            session.tell(
                {"jsonrpc": "2.0", "result": {"client_id": "c", "protocol_version": "1.5.1"}, "id": 1}
            )
            session.hear()
    else:
        session.admit()
        assert session.hear() == HEARTBEAT
        session.send(
            {
                "closes the control stream": frame(DATA, FIN, 1),
                "goes away": frame(yamux.GOAWAY, 0, 0),
                "protocol error": b"\x09" + bytes(11),
            }[fault]
        )
        session.pump(lambda: session.ended, 5)
    session.close()
    client.wait_line(pattern, since=before)
    if fault not in ("refuses", "closes during login"):  # these wait 30 s
        server.accept().close()


def test_silent_gateway_is_left_after_ten_seconds(start, server):
    client = start()
    with server.accept() as session:
        began = time.monotonic()
        session.pump(lambda: session.ended, 14)
        assert session.ended and 8 < time.monotonic() - began < 13
    client.wait_line("(?i)timed out|silent")
    server.accept(5).close()


def test_visitor_head_and_verdict(world, server):
    """The head is one frame, the user's bytes wait for the verdict, a refusal ends the user."""
    bind = tunnel.free_port()
    client = world.client(server.address, visitors=[tunnel.visitor("mysql", 3306, bind)])
    with running(server) as session:
        client.wait_listening(bind)
        with socket.create_connection(("127.0.0.1", bind)) as user:
            user.sendall(b"hello")
            assert session.pump(lambda: len(session.opened) == 2)
            number = session.opened[1]
            assert number % 2 == 1 and session.read(number, 9) == b"\x00\x05mysql\x0c\xea"
            session.data(number, b"\x01welcome")
            assert session.read(number, 5) == b"hello"
            assert user.recv(7, socket.MSG_WAITALL) == b"welcome"
        with socket.create_connection(("127.0.0.1", bind)) as user:
            session.pump(lambda: len(session.opened) == 3)
            number = session.opened[2]
            session.read(number, 9)
            text = b"Proxy 'mysql' with publish_port 3306 not found or client not connected"
            session.data(number, b"\x00" + struct.pack(">H", len(text)) + text)
            session.send(frame(DATA, RST, number))
            assert end_of(user)[0] == b""
        client.wait_line("not found or client not connected|nothing is published")


def test_a_verdict_that_is_none_ends_one_user(world, server):
    """Another user of the same link stays, and the next one is served."""
    bind = tunnel.free_port()
    client = world.client(server.address, visitors=[tunnel.visitor("mysql", 3306, bind)])
    with running(server) as session:
        client.wait_listening(bind)

        def visit(count, verdict):
            user = socket.create_connection(("127.0.0.1", bind))
            assert session.pump(lambda: len(session.opened) == count)
            number = session.opened[-1]
            assert session.read(number, 9) == b"\x00\x05mysql\x0c\xea"
            session.data(number, verdict)
            return user

        with visit(2, b"\x01one") as first, visit(3, b"\x02two") as second:
            assert end_of(second)[0] == b""
            client.wait_line("neither 0 nor 1")
            assert first.recv(3, socket.MSG_WAITALL) == b"one"
            session.data(session.opened[1], b"more")
            assert first.recv(4, socket.MSG_WAITALL) == b"more"
            with visit(4, b"\x01three") as third:
                assert third.recv(5, socket.MSG_WAITALL) == b"three"
        assert not client.matching("link lost")
