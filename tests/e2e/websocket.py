"""A raw WebSocket peer: says exactly what a test wants said, in either role."""

import base64
import hashlib
import os
import socket
import struct

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
WAIT = 15


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def frame(opcode, payload=b"", final=True, masked=True, reserved=0):
    head = bytes([final << 7 | reserved << 4 | opcode])
    bit, size = masked << 7, len(payload)
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    pad = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")


class Closed(Exception):
    """The peer has gone: `code` is that of its Close, None without one."""

    def __init__(self, code=None):
        super().__init__(f"closed, code {code}")
        self.code = code


class Socket:
    """One end after the upgrade. `client`: our frames are masked."""

    def __init__(self, sock, client, rest=b""):
        self.sock, self.client, self.rest = sock, client, rest
        self.pongs, self.pings = [], []

    def exactly(self, size):
        while len(self.rest) < size:
            try:
                more = self.sock.recv(65536)
            except ConnectionError:
                raise Closed from None
            if not more:
                raise Closed
            self.rest += more
        found, self.rest = self.rest[:size], self.rest[size:]
        return found

    def send(self, payload, opcode=BINARY, **options):
        self.sock.sendall(frame(opcode, payload, masked=self.client, **options))

    def frame(self):
        """(opcode, final, payload)"""
        first, second = self.exactly(2)
        assert not first & 0x70, "reserved bits"
        assert bool(second & 128) != self.client, "masked by the wrong side"
        size = second & 127
        if size == 126:
            size = struct.unpack(">H", self.exactly(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.exactly(8))[0]
        key = self.exactly(4) if second & 128 else b""
        payload = self.exactly(size)
        if key:
            payload = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
        return first & 15, bool(first & 128), payload

    def receive(self):
        """The next message; pings are answered, a Close is told as Closed."""
        message = b""
        while True:
            opcode, final, payload = self.frame()
            if opcode == PING:
                self.pings.append(payload)
                self.send(payload, PONG)
            elif opcode == PONG:
                self.pongs.append(payload)
            elif opcode == CLOSE:
                raise Closed(struct.unpack(">H", payload[:2])[0] if payload else 1005)
            else:
                message += payload
                if final:
                    return message

    def ended(self):
        """Reads to the end: the Close code that came, or None."""
        try:
            while True:
                self.receive()
        except Closed as closed:
            return closed.code

    def close(self):
        self.sock.close()


def read_head(sock):
    """(lines, rest)"""
    found = b""
    while b"\r\n\r\n" not in found:
        more = sock.recv(4096)
        if not more:
            break
        found += more
    head, _, rest = found.partition(b"\r\n\r\n")
    return head.decode("latin-1").split("\r\n"), rest


def request(port, path, headers=(), host="127.0.0.1"):
    """A socket that has sent an upgrade."""
    sock = socket.create_connection(("127.0.0.1", port), WAIT)
    key = base64.b64encode(os.urandom(16))
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key.decode()}",
        *headers,
    ]
    sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
    return sock, key


def dial(port, path, headers=()):
    """An upgraded Socket."""
    sock, key = request(port, path, headers)
    lines, rest = read_head(sock)
    assert lines[0].startswith("HTTP/1.1 101"), lines
    assert f"Sec-WebSocket-Accept: {accept_of(key).decode()}" in lines, lines
    made = Socket(sock, True, rest)
    made.head = lines
    return made


class Listener:
    """Accepts one upgrade after another."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(WAIT)
        self.port = self.listener.getsockname()[1]

    def accept(self, headers=()):
        sock, _ = self.listener.accept()
        sock.settimeout(WAIT)
        lines, rest = read_head(sock)
        fields = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        answer = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept_of(fields['sec-websocket-key'].encode()).decode()}",
            *headers,
        ]
        sock.sendall("\r\n".join(answer).encode() + b"\r\n\r\n")
        made = Socket(sock, False, rest)
        made.request, made.fields = lines[0], fields
        return made

    def close(self):
        self.listener.close()
