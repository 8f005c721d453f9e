"""Scripted yamux sessions over each of TLS Tunnel's transports, in both roles.

The receiver of WebSocket messages is as careless as the original: an empty one is an end.
"""

import socket
import struct

import http2
import websocket
import yamux

TRANSPORTS = ["tls", "wss", "http2"]


class Messages(http2.Carried):
    """An upgraded connection as a socket: each sendall is one binary message. `head`: the other end's."""

    def __init__(self, sock, is_client):
        self.sock, self.is_client = sock, is_client
        self.head, rest = self._ask() if is_client else self._answer()
        self.rest, self.received = bytearray(rest), bytearray()
        self.sizes, self.code, self.ended = [], None, False

    def _ask(self):
        key = b"dGhlIHNhbXBsZSBub25jZQ=="
        lines = [
            "GET /tunnel/ HTTP/1.1",
            "Host: gateway.example.com",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key.decode()}",
        ]
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        head, rest = websocket.read_head(self.sock)
        assert head[0].startswith("HTTP/1.1 101"), head
        return head, rest

    def _answer(self):
        head, rest = websocket.read_head(self.sock)
        key = next(line.split(": ")[1] for line in head if line.lower().startswith("sec-websocket-key"))
        accept = websocket.accept_of(key.encode()).decode()
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "connection: Upgrade",
            "upgrade: websocket",
            f"sec-websocket-accept: {accept}",
        ]
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        return head, rest

    def sendall(self, payload, opcode=websocket.BINARY):
        self.sock.sendall(websocket.frame(opcode, payload, masked=self.is_client))

    def _frame(self):
        """Takes a whole frame from what has come. False: there is none yet."""
        have = self.rest
        if len(have) < 2:
            return False
        opcode, size, at = have[0] & 15, have[1] & 127, 2
        assert bool(have[1] & 128) != self.is_client, "masked by the wrong side"
        if size >= 126:
            at += 2 if size == 126 else 8
            if len(have) < at:
                return False
            size = int.from_bytes(have[2:at], "big")
        masked = have[1] & 128
        at += 4 if masked else 0
        if len(have) < at + size:
            return False
        payload = bytes(have[at : at + size])
        if masked and size:
            pad = (bytes(have[at - 4 : at]) * (size // 4 + 1))[:size]
            payload = (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
        del have[: at + size]
        self._take(opcode, payload)
        return True

    def _take(self, opcode, payload):
        if opcode == websocket.PING:
            self.sendall(payload, websocket.PONG)
        elif opcode == websocket.CLOSE:
            self.code, self.ended = struct.unpack(">H", payload[:2])[0] if payload else 1005, True
        elif opcode in (websocket.BINARY, websocket.CONTINUATION):
            assert payload, "an empty message is an end for the original"
            self.sizes.append(len(payload))
            self.received += payload
        else:
            assert opcode == websocket.PONG, f"opcode {opcode}"

    def step(self):
        if self._frame():
            return
        more = self.sock.recv(65536)
        if not more:
            self.ended = True
        self.rest += more


def secure(port, source="127.0.0.1", alpn=None):
    """A TLS socket to the gateway on that port."""
    settings = yamux.trusting()
    if alpn:
        settings.set_alpn_protocols(alpn)
    plain = socket.create_connection(("127.0.0.1", port), 10, (source, 0))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return settings.wrap_socket(plain)


def dial(transport, port, **options):
    """A session as a client of the gateway on that port."""
    if transport == "tls":
        return yamux.dial(port, **options)
    if transport == "http2":
        return http2.dial(port, **options)
    return yamux.Session(Messages(secure(port), True), True, **options)


class _Upgrading(yamux.Server):
    def accept(self, timeout=15, **options):
        self.listener.settimeout(timeout)
        plain, _ = self.listener.accept()
        plain.settimeout(10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock = self.settings.wrap_socket(plain, server_side=True)
        session = yamux.Session(Messages(sock, False), False, **options)
        session.peer = self.address
        return session


def server(transport, certificate):
    """Listens; gives each client of ours as a session in the server's role."""
    return {"tls": yamux.Server, "wss": _Upgrading, "http2": http2.Server}[transport](certificate)
