"""Peers that break the rules: each ends alone, with one line for peer and reason."""

import re
import resource
import socket
import ssl
import struct
import subprocess
import time

import pytest

import tunnel
import yamux
from traffic import HEAD, TRAILER, Content, Reference, end_of, transfer
from yamux import (
    ACK,
    DATA,
    FIN,
    GOAWAY,
    PING,
    RST,
    SYN,
    WINDOW,
    authenticate,
    dial,
    frame,
    message,
    published,
    submit,
)


@pytest.fixture
def running(world):
    """A gateway at work: transfers run until the test is over."""
    gateway, _, port, _ = world.published()
    with Reference(port):
        yield gateway, port


def one_ending(gateway, peer, pattern):
    """Exactly one line says why this peer's connection ended, and it matches."""
    tunnel.until(lambda: gateway.endings(peer), lambda: f"a line about {peer}\n{gateway.log()}")
    found = gateway.endings(peer)
    assert len(found) == 1, found
    text = " ".join(str(value) for value in found[0].values())
    assert re.search(pattern, text), found


# --- before TLS, and instead of it


def tls10_hello():
    """A ClientHello of TLS 1.0 that offers AES128-SHA only."""
    body = b"\x03\x01" + bytes(32) + b"\x00" + b"\x00\x02\x00\x2f" + b"\x01\x00"
    hello = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack(">H", len(hello)) + hello


INSTEAD_OF_TLS = {
    "noise": bytes(range(128, 256)) * 4,
    "zeros": bytes(512),
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "yamux in clear": frame(PING, SYN, 0, 1) + frame(DATA, SYN, 1, body=message(authenticate())),
    "tls 1.0": tls10_hello(),
    "record of 64 KiB": b"\x16\x03\x01\xff\xff" + bytes(65535),
    "record of no known type": b"\x16\x03\x01\x00\x05\x63" + bytes(4) + b"\x99\x03\x03\x00\x01\x00",
    "application data first": b"\x17\x03\x03\x00\x20" + bytes(32),
}


@pytest.mark.parametrize("name", INSTEAD_OF_TLS)
def test_instead_of_tls(running, name):
    gateway, _ = running
    with socket.create_connection(("127.0.0.1", gateway.port)) as sock:
        peer = "%s:%d" % sock.getsockname()
        try:
            sock.sendall(INSTEAD_OF_TLS[name])
        except OSError:
            pass
        answer, end = end_of(sock, 5)
        assert end != "timeout", "is kept open"
        assert len(answer) < 300, answer[:64]
    one_ending(gateway, peer, "(?i)tls|plaintext|protocol|handshake")


def test_openssl_with_tls_1_1_and_1_2(running):
    """TLS 1.3 is the floor; a client that cannot do it is told so by an alert."""
    gateway, _ = running
    for version in ("-tls1_1", "-tls1_2"):
        ran = subprocess.run(
            ["openssl", "s_client", version, "-cipher", "ALL:@SECLEVEL=0", "-connect", gateway.address],
            input=b"",
            capture_output=True,
            timeout=20,
        )
        assert ran.returncode != 0 and b"alert" in ran.stderr, ran.stderr


def test_tls_1_2_where_it_is_allowed(world):
    gateway = world.gateway(tls_min_version="1.2").ready()
    settings = yamux.trusting()
    settings.maximum_version = ssl.TLSVersion.TLSv1_2
    plain = socket.create_connection(("127.0.0.1", gateway.port), 10)
    with yamux.Session(settings.wrap_socket(plain), True) as session:
        assert session.sock.version() == "TLSv1.2"
        assert session.login()["result"] == {"rejected_proxies": []}


def test_http_inside_tls_is_answered(running):
    gateway, _ = running
    with socket.create_connection(("127.0.0.1", gateway.port)) as plain:
        with yamux.trusting().wrap_socket(plain) as sock:
            sock.sendall(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer, end = end_of(sock, 5)
            assert end != "timeout" and (answer == b"" or b" 404 " in answer.split(b"\r\n")[0]), answer


@pytest.mark.parametrize(
    "request_line, status",
    [
        (b"GET / HTTP/1.1\nHost: h\n\n", b"400"),
        (b"GET / HTTP/3.0\r\nHost: h\r\n\r\n", b"505"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + bytes(40000).replace(b"\0", b"x") + b"\r\n\r\n", b"431"),
    ],
)
def test_http_that_is_malformed_is_answered_and_told(running, request_line, status):
    gateway, _ = running
    with socket.create_connection(("127.0.0.1", gateway.port)) as plain:
        peer = "%s:%d" % plain.getsockname()
        with yamux.trusting().wrap_socket(plain) as sock:
            sock.sendall(request_line)
            answer, end = end_of(sock, 5)
            assert end != "timeout" and answer.split(b" ")[1] == status, answer
    gateway.wait_line(f'HTTP request refused.*{peer}.*"detail"')


# --- yamux


def big_syn(session):
    session.open(bytes(262145))


def visitor_overrun(session):
    """Five times the window at once, on a stream whose other end takes all of it: what it hears is a transfer
    that goes on, since of a stream that its service has closed the rest would be dropped, not judged."""
    number = session.open(struct.pack(">H", 3) + b"web" + struct.pack(">H", session.published))
    begun = HEAD.pack(4242, 2 << 20, 0) + bytes(Content(4242, 0, 2 << 20).piece(16 * 16384 - HEAD.size))
    session.send(
        b"".join(frame(DATA, 0, number, body=begun[at : at + 16384]) for at in range(0, len(begun), 16384))
        + frame(DATA, 0, number, body=bytes(1 << 20))
    )


def raw(*frames):
    return lambda session: session.send(b"".join(frames))


VIOLATIONS = {
    "version 1": raw(frame(PING, SYN, 0, 1, version=1)),
    "type 4": raw(frame(4, 0, 0)),
    "type 255": raw(frame(255, 0, 0)),
    "data past the window": big_syn,
    "data past the window of a visitor": visitor_overrun,
    "stream with our parity": raw(frame(DATA, SYN, 2, body=b"\x00\x03")),
    "id in use": raw(frame(DATA, SYN, 1, body=b"again")),
    "body of 4 GiB": raw(frame(DATA, 0, 1, 0xFFFFFFFF)),
    "body of 4 GiB on a new stream": raw(frame(DATA, SYN, 3, 0xFFFFFFFF)),
    "stream 0 opened": raw(frame(DATA, SYN, 0, body=b"x")),
    "window past 4 GiB": raw(*[frame(WINDOW, 0, 1, 0xFFFFFFFF)] * 3),
    "noise": raw(bytes(range(60, 200))),
    "end of the control stream": raw(frame(DATA, FIN, 1)),
    "reset of the control stream": raw(frame(DATA, RST, 1)),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_yamux_violations(running, name):
    gateway, port = running
    with dial(gateway.port) as session:
        session.published = port
        session.login()
        VIOLATIONS[name](session)
        session.pump(lambda: False, 5)
        assert session.ended, "the session goes on"
        assert session.goaway in (None, 1), session.goaway
    one_ending(gateway, session.peer, "(?i)protocol|control|closed|lost|reset|going|done")


@pytest.mark.parametrize(
    "what, frames",
    [
        (
            "ends of streams never seen",
            frame(DATA, FIN, 99) + frame(WINDOW, RST, 101) + frame(DATA, 0, 103, body=b"x" * 100),
        ),
        ("window for a stream never seen", frame(WINDOW, 0, 105, 1000)),
        ("pong nobody asked for", frame(PING, ACK, 0, 77)),
        ("unknown flag bits", frame(PING, SYN | 0x40, 0, 78)),
        ("thousand pings", frame(PING, SYN, 0, 79) * 1000),
        (
            "thousand open and closed streams",
            b"".join(frame(DATA, SYN, n, body=b"\0") + frame(DATA, RST, n) for n in range(201, 2201, 2)),
        ),
    ],
)
def test_odd_but_legal(running, what, frames):
    gateway, _ = running
    with dial(gateway.port) as session:
        session.login()
        session.send(frames)
        session.send(frame(PING, SYN, 0, 4711))
        assert session.pump(lambda: (PING, ACK, 0, 4711) in session.frames), (session.ended, session.goaway)


def test_goaway_of_a_client(running):
    gateway, _ = running
    with dial(gateway.port) as session:
        session.login()
        session.send(frame(GOAWAY, 0, 0, 0))
        session.send(frame(PING, SYN, 0, 4711))
        session.pump(lambda: session.ended or (PING, ACK, 0, 4711) in session.frames, 5)


# --- control messages

BAD_MESSAGES = {
    "too deep": message(
        b'{"jsonrpc":"2.0","method":"authenticate","id":1,"params":' + b"[" * 60000 + b"]" * 60000 + b"}"
    ),
    "too long": struct.pack(">I", 10 * 1024 * 1024 + 1) + b"{",
    "4 GiB": b"\xff\xff\xff\xff{",
    "empty": bytes(4),
    "truncated": message(b'{"jsonrpc":"2.0","method":"auth'),
    "no object": message(b"[1,2,3]"),
    "a number": message(b"1"),
    "not UTF-8": message(b'{"jsonrpc":"2.0","method":"\xff\xfe","params":null}'),
    "rubbish behind": message(b'{"jsonrpc":"2.0","method":"heartbeat","params":null} x'),
    "no method": message(b'{"jsonrpc":"2.0","params":null,"id":1}'),
    "no params": message(b'{"jsonrpc":"2.0","method":"authenticate","id":1}'),
    "key as number": message(b'{"jsonrpc":"2.0","method":"authenticate","params":{"auth_key":5},"id":1}'),
    "key with a zero": message(
        b'{"jsonrpc":"2.0","method":"authenticate","params":{"auth_key":"0123456789abcdef\\u0000"},"id":1}'
    ),
}


@pytest.mark.parametrize("name", BAD_MESSAGES)
def test_bad_control_messages(running, name):
    gateway, _ = running
    with dial(gateway.port) as session:
        text = BAD_MESSAGES[name]
        session.send(frame(DATA, SYN, 1, body=text[:16384]))
        for place in range(16384, len(text), 16384):
            session.send(frame(DATA, 0, 1, body=text[place : place + 16384]))
        session.pump(lambda: False, 5)
        assert session.ended, "the session goes on"
    one_ending(gateway, session.peer, "(?i)protocol|auth|closed")


# --- too slow, too many


def test_deadlines_of_the_unfinished(world, running):
    """Silence, half a hello, TLS and then nothing, yamux without a login: each is gone after ten seconds."""
    gateway, port = running
    half = socket.create_connection(("127.0.0.1", gateway.port))
    half.sendall(tls10_hello()[:20])
    mute = yamux.trusting().wrap_socket(socket.create_connection(("127.0.0.1", gateway.port)))
    unknown = dial(gateway.port)
    unknown.send(frame(PING, SYN, 0, 1))
    slow = [half, mute, unknown.sock]
    peers = ["%s:%d" % sock.getsockname() for sock in slow]
    begun = time.monotonic()
    # Lines about strangers are limited for each second, so the crowd comes in a later one.
    tunnel.until(lambda: time.monotonic() > begun + 1.5, "another second")
    silent = [socket.create_connection(("127.0.0.1", gateway.port), 10, ("127.0.0.2", 0)) for _ in range(300)]
    # Meanwhile a client logs in and is served.
    other = tunnel.free_port()
    world.client(gateway, name="second", visitors=[tunnel.visitor("web", port, other)]).ready()
    transfer(other, 1000, 1000)
    for sock in [*slow, *silent]:
        _, end = end_of(sock, max(0.1, begun + 15 * tunnel.PATIENCE - time.monotonic()))
        assert end != "timeout", "still open after its deadline"
        sock.close()
    assert time.monotonic() - begun > 8
    for peer in peers:
        one_ending(gateway, peer, "(?i)timed out|timeout|silent|authentication")


def test_no_descriptors_left(world):
    """New connections wait or are refused, the running transfer is whole, nothing spins, and it recovers."""
    limit = 96
    service = world.service()
    gateway = world.gateway(
        options={"before": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))}
    ).ready()
    port = tunnel.free_port()
    world.client(gateway, proxies=[tunnel.proxy("web", port, service.port)]).ready()
    size = 64 << 20
    with socket.create_connection(("127.0.0.1", port)) as user:
        user.settimeout(tunnel.WAIT)
        user.sendall(HEAD.pack(5, 0, size))
        content = Content(5, 1, size)
        content.check(user.recv(1 << 16))
        crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(limit + 50)]
        used = gateway.cpu_seconds()
        time.sleep(1)  # measures, does not wait for anything
        assert gateway.cpu_seconds() - used < 0.5, "spins without descriptors"
        while not content.whole:
            content.check(user.recv(min(1 << 18, size - content.done)))
        assert user.recv(len(TRAILER), socket.MSG_WAITALL) == TRAILER
    said = gateway.matching("(?i)descriptor|too many open files|limit was reached")
    assert 1 <= len(said) <= 5, said or gateway.log()
    for sock in crowd:
        sock.close()
    transfer(port, 1000, 1 << 20)


def test_loopback_is_exempt_from_the_limit_per_source(world):
    """What runs on the same machine, a proxy in front say, is one source for many."""
    gateway = world.gateway(top={"limits": {"connections_per_source": 5}}).ready()
    socks = [socket.create_connection(("127.0.0.1", gateway.port), 10, ("127.0.0.3", 0)) for _ in range(20)]
    with dial(gateway.port) as session:
        assert session.login()["result"] == {"rejected_proxies": []}
    for sock in socks:
        sock.close()


def test_thousands_of_channels_of_one_client(running):
    """More streams than a stock peer may have: the surplus is refused, the session and others live."""
    gateway, port = running
    with dial(gateway.port) as session:
        session.login()
        head = struct.pack(">H", 3) + b"web" + struct.pack(">H", port)
        for number in range(3, 3 + 2 * 700, 2):
            session.open(head, number=number)
        session.send(frame(PING, SYN, 0, 4711))
        session.pump(lambda: session.ended or (PING, ACK, 0, 4711) in session.frames, 20)
        refused = [n for n, s in session.streams.items() if s.rst]
        assert session.ended or len(refused) >= 150, len(refused)


def test_submit_of_many_proxies(running):
    """A configuration of 2000 proxies that are all in vain does not stop the rest."""
    gateway, _ = running
    with dial(gateway.port) as session:
        session.call(authenticate())
        wanted = [published(f"p{n}", gateway.port, 1) for n in range(2000)]
        text = message(submit(wanted))
        for place in range(0, len(text), 16384):
            session.data(1, text[place : place + 16384])
            session.pump(lambda: False, 0.001)
        answer = session.answer()
        assert answer and "error" in answer
