"""A proxy on the way to something, HTTP CONNECT or SOCKS5, that knows what it was asked; users of SOCKS5."""

import base64
import contextlib
import ipaddress
import socket
import struct
import threading

from acceptor import Acceptor
from traffic import User, exactly


def address(host, port):
    """ATYP, address and port."""
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return bytes([3, len(host)]) + host.encode() + struct.pack(">H", port)
    return bytes([1 if literal.version == 4 else 4]) + literal.packed + struct.pack(">H", port)


def read_address(sock):
    """(host, port)"""
    kind = exactly(sock, 1)[0]
    if kind == 3:
        host = exactly(sock, exactly(sock, 1)[0]).decode()
    else:
        host = str(ipaddress.ip_address(exactly(sock, 4 if kind == 1 else 16)))
    return host, struct.unpack(">H", exactly(sock, 2))[0]


class Refused(OSError):
    """The proxy said no."""


def connect(socks, port, host="127.0.0.1", timeout=60):
    """A socket that leads to the target. `socks` is a port on loopback."""
    sock = socket.create_connection(("127.0.0.1", socks), timeout)
    sock.sendall(b"\5\1\0\5\1\0" + address(host, port))
    answer = exactly(sock, 5)
    if answer[:4] != b"\5\0\5\0":
        sock.close()
        raise Refused(f"SOCKS5 says {answer!r}")
    read_address(sock)
    return sock


def transfer(socks, port, size, host="127.0.0.1"):
    """A checked transfer by way of a SOCKS5 port, so many bytes each way."""
    user = User(port, size, size, dial=lambda port, timeout: connect(socks, port, host, timeout))
    user.start()
    user.finish()


class Proxy:
    """`kind` is "http" or "socks5"; `asked` lists (host, port) in order. `deny`: it refuses everybody."""

    def __init__(self, kind, user=None, password=None, deny=False):
        self.kind, self.user, self.password, self.deny = kind, user, password, deny
        self.asked, self.strangers = [], 0
        acceptor = Acceptor(self._take)
        self.port, self.close = acceptor.port, acceptor.close

    def url(self, user=None, password=None):
        login = f"{user}:{password}@" if user is not None else ""
        return f"{self.kind}://{login}127.0.0.1:{self.port}"

    def _take(self, sock):
        threading.Thread(target=self._client, args=(sock,), daemon=True).start()

    def _client(self, sock):
        try:
            target = (self._http if self.kind == "http" else self._socks5)(sock)
            if target is None:
                sock.close()
                return
        except OSError:
            sock.close()
            return
        for source, sink in ((sock, target), (target, sock)):
            threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _reach(self, host, port):
        self.asked.append((host, port))
        return None if self.deny else socket.create_connection((host, port))

    def _http(self, sock):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = sock.recv(1)
            if not byte:
                return None
            head += byte
        lines = head.decode().split("\r\n")
        expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if self.user is not None and f"Proxy-Authorization: Basic {expected}" not in lines:
            self.strangers += 1
            sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return None
        method, where, _ = lines[0].split(" ")
        host, _, port = where.rpartition(":")
        assert method == "CONNECT" and f"Host: {where}" in lines
        try:
            target = self._reach(host.strip("[]"), int(port))
        except OSError:
            target = None
        if target is None:
            status = b"403 Forbidden" if self.deny else b"502 Bad Gateway"
            sock.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")
        else:
            sock.sendall(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
        return target

    def _socks5(self, sock):
        methods = exactly(sock, exactly(sock, 2)[1])
        wanted = 0 if self.user is None else 2
        if wanted not in methods:
            self.strangers += 1
            sock.sendall(b"\x05\xff")
            return None
        sock.sendall(bytes([5, wanted]))
        if wanted:
            user = exactly(sock, exactly(sock, 2)[1])
            password = exactly(sock, exactly(sock, 1)[0])
            good = (user.decode(), password.decode()) == (self.user, self.password)
            sock.sendall(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                self.strangers += 1
                return None
        assert exactly(sock, 3) == b"\x05\x01\x00"
        host, port = read_address(sock)
        try:
            target = self._reach(host, port)
        except OSError:
            target = None
        reply = 0 if target else 2 if self.deny else 5
        sock.sendall(bytes([5, reply, 0]) + address("0.0.0.0", 0))
        return target

    @staticmethod
    def _forward(source, sink):
        try:
            while received := source.recv(65536):
                sink.sendall(received)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for sock in (source, sink):  # the other thread may wait on them: both go when it is over, too
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
