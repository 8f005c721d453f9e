"""HTTP/2 frames in plain Python, and one CONNECT stream that is used as a socket, in both roles.

A Link is as strict and as careless as a peer of the original: windows of 65,535 bytes, and of each DATA frame
only what its first read takes is released, where reads are yamux headers and bodies. So a frame of two units
is counted in `leaked`, and an empty one is an end.
"""

import socket
import ssl
import struct

import yamux

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
ACK = END_STREAM = 1
END_HEADERS, PADDED = 4, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NAMES = ["DATA", "HEADERS", "PRIORITY", "RST", "SETTINGS", "PUSH", "PING", "GOAWAY", "WINDOW", "CONTINUATION"]


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def connect(authority=b"localhost"):
    """A head that asks for a tunnel, without codes and without a table."""
    return b"\x02\x07CONNECT\x01" + bytes([len(authority)]) + authority


def opening(stream=1):
    return PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS, stream, connect())


def dial_socket(port, alpn=("h2",), source="127.0.0.1"):
    """A TLS socket that offers that."""
    settings = yamux.trusting()
    settings.set_alpn_protocols(list(alpn))
    plain = socket.create_connection(("127.0.0.1", port), 10, (source, 0))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return settings.wrap_socket(plain)


class Reader:
    """Frames from a socket."""

    def __init__(self, sock):
        self.sock, self.bytes = sock, bytearray()

    def fill(self, size):
        while len(self.bytes) < size:
            received = self.sock.recv(65536)
            if not received:
                return False
            self.bytes += received
        return True

    def take(self, size):
        taken = bytes(self.bytes[:size])
        del self.bytes[:size]
        return taken

    def frame(self):
        """Kind, flags, stream, payload; None at the end."""
        if not self.fill(9):
            return None
        size = int.from_bytes(self.bytes[:3], "big")
        assert size <= 16384, f"a frame of {size} bytes"
        if not self.fill(9 + size):
            return None
        head = self.take(9)
        return head[3], head[4], struct.unpack(">I", head[5:])[0], self.take(size)


class Leaker:
    """Says how much of a frame is released."""

    def __init__(self):
        self.head, self.left, self.leaked = bytearray(), 0, 0

    def _unit(self, payload):
        """How many of these bytes the next read takes."""
        if self.left:
            size = min(self.left, len(payload))
            self.left -= size
            return size
        size = min(12 - len(self.head), len(payload))
        self.head += payload[:size]
        if len(self.head) == 12:
            self.left = struct.unpack(">I", self.head[8:])[0] if self.head[1] == yamux.DATA else 0
            self.head.clear()
        return size

    def released(self, payload):
        first = self._unit(payload)
        at = first
        while at < len(payload):
            size = self._unit(payload[at:])
            self.leaked += size
            at += size
        return first


class Carried:
    """What yamux takes for a socket: `sock` below, bytes that were `received`, and whether it has `ended`;
    `step` hears more."""

    def recv(self, size):
        while not self.received and not self.ended:
            self.step()
        taken = bytes(self.received[:size])
        del self.received[:size]
        return taken

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def setsockopt(self, *what):
        self.sock.setsockopt(*what)

    def getsockname(self):
        return self.sock.getsockname()

    def close(self):
        self.sock.close()


class Link(Carried):
    """One stream as a socket. `window`: what the peer may say at first."""

    def __init__(self, sock, is_client, window=65535):
        self.sock, self.reader, self.leaker = sock, Reader(sock), Leaker()
        self.received, self.ended = bytearray(), False
        self.said = []  # kinds of what the peer said, by name
        self.credit = {0: 65535, 1: 65535}
        self.initial, self.window = 65535, window
        self.owed = 0
        sock.settimeout(10)
        settings = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window) if window != 65535 else b"")
        if is_client:
            sock.sendall(PREFACE + settings + frame(HEADERS, END_HEADERS, 1, connect()))
            self.until(HEADERS)
            assert self.head == b"\x88", self.head
        else:
            assert self.reader.fill(24) and self.reader.take(24) == PREFACE
            sock.sendall(settings)
            self.until(HEADERS)
            sock.sendall(frame(HEADERS, END_HEADERS, 1, b"\x88"))

    def until(self, wanted):
        while self.step() != wanted:
            assert not self.ended, f"ended before {NAMES[wanted]}: {self.said}"

    def step(self):
        """One frame. Gives its kind."""
        heard = self.reader.frame()
        if heard is None:
            self.ended = True
            return None
        kind, flags, stream, payload = heard
        self.said.append(NAMES[kind])
        if kind == DATA:
            self._payload(flags, payload)
        elif kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, at)
                if name == 4:
                    self.credit[1] += value - self.initial
                    self.initial = value
            self.sock.sendall(frame(SETTINGS, ACK))
        elif kind == WINDOW:
            self.credit[stream] += struct.unpack(">I", payload)[0]
        elif kind == HEADERS:
            self.head = payload
        elif kind in (RST, GOAWAY):
            self.ended = True
        return kind

    def _payload(self, flags, payload):
        self.received += payload
        self.ended = self.ended or not payload or bool(flags & END_STREAM)
        self.owed += self.leaker.released(payload)
        if self.owed >= min(self.window, 65535) // 2 or self.window < 1000:
            grant = struct.pack(">I", self.owed)
            if self.owed:
                self.sock.sendall(frame(WINDOW, 0, 0, grant) + frame(WINDOW, 0, 1, grant))
            self.owed = 0

    def sendall(self, payload):
        """In frames of odd sizes, as the windows allow."""
        at, size = 0, 1
        while at < len(payload):
            size = size * 5 % 16381
            size = min(size, len(payload) - at, self.credit[0], self.credit[1])
            if size <= 0:
                assert not self.ended, "the link has ended"
                self.step()
                size = 1
                continue
            self.sock.sendall(frame(DATA, 0, 1, payload[at : at + size]))
            self.credit[0] -= size
            self.credit[1] -= size
            at += size


def dial(port, window=65535, **options):
    """A yamux session over HTTP/2 as a client of the gateway on that port."""
    return yamux.Session(Link(dial_socket(port), True, window), True, **options)


class Server(yamux.Server):
    """A TLS listener that gives each client of ours as a session over HTTP/2 in the server's role."""

    def __init__(self, certificate, port=0):
        super().__init__(certificate, port)
        self.settings.set_alpn_protocols(["h2"])

    def accept(self, timeout=15, window=65535, **options):
        self.listener.settimeout(timeout)
        plain, _ = self.listener.accept()
        plain.settimeout(10)
        sock = self.settings.wrap_socket(plain, server_side=True)
        assert sock.selected_alpn_protocol() == "h2"
        session = yamux.Session(Link(sock, False, window), False, **options)
        session.peer = self.address
        return session


def frames_of(sock, timeout=10):
    """All frames until the end, as (name, flags, stream, payload), and how it ended."""
    reader, found = Reader(sock), []
    sock.settimeout(timeout)
    try:
        while (heard := reader.frame()) is not None:
            found.append((NAMES[heard[0]], *heard[1:]))
        return found, "eof"
    except (socket.timeout, ssl.SSLWantReadError):
        return found, "timeout"
    except OSError:
        return found, "reset"
