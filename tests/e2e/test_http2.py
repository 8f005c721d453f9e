"""TLS Tunnel inside HTTP/2: peers as strict and as careless as the original, programs that speak HTTP/2 and
want a page, and floods of frames. The gateway lives on, and whoever asks for what is not here is told."""

import shutil
import socket
import struct
import subprocess

import pytest

import http2
import tunnel
import yamux
from http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    PREFACE,
    PRIORITY,
    RST,
    SETTINGS,
    WINDOW,
    dial_socket,
    frame,
    frames_of,
    opening,
)
from test_hostile import one_ending
from traffic import Reference
from yamux import KEY, published


@pytest.fixture
def running(world):
    """A gateway at work: transfers over HTTP/2 run until the test is over."""
    gateway, _, port, _ = world.published(transport="http2")
    with Reference(port):
        yield gateway, port


@pytest.fixture
def clear(world):
    """A gateway behind a proxy that has taken TLS away."""
    port = tunnel.free_port()
    section = {
        "listen_addr": f"127.0.0.1:{port}",
        "behind_proxy": True,
        "tls_tunnel": {"auth_key": KEY, "transports": ["wss", "http2"]},
    }
    made = world.add(tunnel.Program(world.folder, "gateway", {"gateway": section}, world.engine))
    made.port, made.address = port, section["listen_addr"]
    return made.wait_listening(port)


# ---- peers like the original ----


@pytest.mark.parametrize("window", [65535, 7, 1000])
def test_a_client_like_the_original(world, window):
    """It publishes, and takes and gives through its own end of the stream whatever its window is."""
    gateway = world.gateway().ready()
    port = tunnel.free_port()
    size = 300000 if window > 7 else 3000
    with http2.dial(gateway.port, window) as session:
        session.login([published("web", port)])
        tunnel.until(lambda: tunnel.is_listening(port), gateway.log)
        for turn in range(3):
            with socket.create_connection(("127.0.0.1", port), 10) as user:
                user.settimeout(10)
                user.sendall(bytes(size))
                assert session.pump(lambda turn=turn: len(session.opened) > turn, 10)
                number = session.opened[turn]
                assert len(session.read(number, 2 + size, 30)) == 2 + size
                session.data(number, b"answer" * 1000)
                with user.makefile("rb") as answer:
                    assert answer.read(6000) == b"answer" * 1000
        link = session.sock
        assert link.leaker.leaked == 0
        assert "GOAWAY" not in link.said and "RST" not in link.said


@pytest.mark.parametrize("window", [65535, 5])
def test_a_gateway_like_the_original(world, window):
    service = world.service()
    with http2.Server(world.certificate) as server:
        port = tunnel.free_port()
        world.client(server.address, transport="http2", proxies=[tunnel.proxy("web", port, service.port)])
        with server.accept(window=window) as session:
            session.admit()
            assert session.sock.head[:9] in (b"\x42\x07CONNECT", b"\x42\x87\xbd\xab\x4e\x9c\x17\xb7\xff")
            number = session.open(struct.pack(">H", port) + b"x")
            assert session.pump(lambda: session.stream(number).ack, 10)
            assert session.sock.leaker.leaked == 0
            assert session.sock.said[:2] == ["SETTINGS", "WINDOW"]


def test_answers_that_refuse(world):
    """The status is told, and what to look at."""
    for name, head, told in (
        ("missing", b"\x8d", "status 404"),
        ("forbidden", b"\x08\x03403", "status 403"),
        ("other", b"\x89", "status 204"),
    ):
        with http2.Server(world.certificate) as server:
            client = world.client(
                server.address,
                name=name,
                transport="http2",
                proxies=[tunnel.proxy("web", tunnel.free_port(), 1)],
            )
            server.listener.settimeout(10)
            plain, _ = server.listener.accept()
            sock = server.settings.wrap_socket(plain, server_side=True)
            sock.sendall(frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, head))
            client.wait_line(told)
            sock.close()


def test_each_end_goes_as_it_should(world):
    """Our gateway's last words, and ours to it: END_STREAM, then GOAWAY."""
    gateway = world.gateway().ready()
    with http2.dial(gateway.port) as session:
        session.login([published("web", tunnel.free_port())])
        gateway.signal(15)
        session.pump(lambda: False, 10)
        link = session.sock
        assert link.ended and not link.leaker.leaked
    with http2.Server(world.certificate) as server:
        client = world.client(
            server.address, transport="http2", proxies=[tunnel.proxy("web", tunnel.free_port(), 1)]
        )
        with server.accept() as session:
            session.admit()
            client.signal(15)
            session.pump(lambda: False, 10)
            assert session.sock.ended


# ---- who wants a page ----


def run(*command, timeout=30):
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def test_curl_in_clear(clear):
    """A page over HTTP/2 is 404 with a line of text, a form 405."""
    ran = run("curl", "-s", "--http2-prior-knowledge", "-w", "%{http_code}", f"http://{clear.address}/any")
    assert (ran.returncode, ran.stdout) == (0, "Not found\n404")
    ran = run("curl", "-sI", "--http2-prior-knowledge", f"http://{clear.address}/")
    assert (ran.returncode, ran.stdout.split()[:2]) == (0, ["HTTP/2", "404"])
    url = f"http://{clear.address}/"
    ran = run("curl", "-s", "--http2-prior-knowledge", "-d", "a=b", "-w", "%{http_code}", url)
    assert ran.stdout.endswith("405")
    transfer_over(clear)


def transfer_over(gateway):
    """The gateway serves those that it is for."""
    port = tunnel.free_port()
    plain = socket.create_connection(("127.0.0.1", gateway.port), 10)
    with yamux.Session(http2.Link(plain, True), True) as session:
        session.login([published("web", port)])
        tunnel.until(lambda: tunnel.is_listening(port), gateway.log)


def test_curl_over_tls(running):
    gateway, _ = running
    for option in ("--http2-prior-knowledge", "--http2", "--http1.1"):
        ran = run("curl", "-sk", option, "-w", "%{http_code}", f"https://{gateway.address}/")
        assert (ran.returncode, ran.stdout[-3:]) == (0, "404"), (option, ran)


def test_nghttp(running):
    gateway, _ = running
    ran = run("nghttp", "-v", f"https://{gateway.address}/page")
    assert ":status: 404" in ran.stdout and "Not found" in ran.stdout, ran.stdout


def test_h2load(running):
    """Hundreds of clients at once want many pages each; every one of them is answered or cut off."""
    gateway, _ = running
    ran = run(
        "h2load", "-n", "2000", "-c", "200", "-m", "10", f"https://{gateway.address}/page", timeout=120
    )
    assert "requests: 2000 total" in ran.stdout, ran.stdout
    assert " 0 2xx" in ran.stdout, ran.stdout


# ---- floods and what is no HTTP/2 ----

HEAD_BOMB = b"\x40\x01a\x7f\x81\x1e" + b"v" * 4000 + b"\xbe" * 2000

HOSTILE = {
    "PING": (opening(), frame(http2.PING, 0, 0, bytes(8)) * 5000, "floods|does not read"),
    "SETTINGS": (opening(), frame(SETTINGS) * 5000, "floods|does not read"),
    "PRIORITY": (opening(), frame(PRIORITY, 0, 9, b"\0\0\0\0\7") * 5000, "floods"),
    "WINDOW_UPDATE": (opening(), frame(WINDOW, 0, 0, b"\0\0\0\1") * 5000, "floods"),
    "empty DATA": (opening(), frame(DATA, 0, 1) * 5000, "floods"),
    "padding": (opening(), frame(DATA, PADDED, 1, b"\0") * 5000, "floods"),
    "streams": (
        opening(),
        b"".join(
            frame(HEADERS, END_HEADERS, n, http2.connect()) + frame(RST, 0, n, b"\0\0\0\x08")
            for n in range(3, 8003, 2)
        ),
        "floods|does not read|broke",
    ),
    "CONTINUATION": (
        PREFACE + frame(SETTINGS),
        frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1) * 5000,
        "CONTINUATION",
    ),
    "head bomb": (PREFACE + frame(SETTINGS), frame(HEADERS, END_HEADERS, 1, HEAD_BOMB), "too big"),
    "window overflow": (opening(), frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff") * 2, "broke HTTP/2"),
    "more than the window": (opening(), frame(DATA, 0, 3, bytes(16384)) * 3000, "broke HTTP/2"),
    "preface": (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"", "did not begin as HTTP/2"),
    "HTTP/1.1 where h2 was chosen": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"", "did not begin as HTTP/2"),
    "CONNECT with a path": (
        PREFACE + frame(SETTINGS),
        frame(HEADERS, END_HEADERS, 1, b"\x02\x07CONNECT\x84\x01\x01a"),
        "broke HTTP/2",
    ),
    "long frame": (opening(), b"\x00\x40\x01\x00\x00\x00\x00\x00\x01", "broke HTTP/2"),
    "noise": (opening(), frame(DATA, 0, 1, bytes(range(60, 200))), "(?i)protocol"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(running, name):
    gateway, _ = running
    first, then, pattern = HOSTILE[name]
    with dial_socket(gateway.port) as sock:
        assert sock.selected_alpn_protocol() == "h2"
        peer = "%s:%d" % sock.getsockname()
        try:
            sock.sendall(first + then)
        except OSError:
            pass
        found, end = frames_of(sock, 10)
        assert end != "timeout", found
    one_ending(gateway, peer, pattern)


def test_silence(world):
    """Nobody who has begun and goes no further is waited for without end."""
    gateway = world.gateway().ready()
    begun = [b"", PREFACE[:10], PREFACE, PREFACE + frame(SETTINGS) + frame(SETTINGS, ACK), opening()]
    socks = [dial_socket(gateway.port) for _ in begun]
    for sock, first in zip(socks, begun):
        sock.sendall(first)
    for sock, first in zip(socks, begun):
        peer = "%s:%d" % sock.getsockname()
        found, end = frames_of(sock, 30)
        assert end != "timeout", (first, found)
        one_ending(gateway, peer, "(?i)time|silent")
        sock.close()


def test_frames_byte_by_byte(running):
    gateway, _ = running
    frame_of_yamux = yamux.frame(yamux.PING, yamux.SYN, 0, 7)
    with dial_socket(gateway.port) as sock:
        for byte in opening():
            sock.sendall(bytes([byte]))
        reader = http2.Reader(sock)
        while (heard := reader.frame())[0] != HEADERS:
            assert heard[0] in (SETTINGS, WINDOW)
        assert heard == (HEADERS, END_HEADERS, 1, b"\x88")
        for byte in frame(DATA, END_STREAM, 1, frame_of_yamux):
            sock.sendall(bytes([byte]))
        found, end = frames_of(sock, 10)
        assert end != "timeout"
