"""A SOCKS5 user (RFC 1928, 1929): connects, associates, and says exactly what a test wants said."""

import ipaddress
import socket
import struct

from traffic import exactly

CONNECT, BIND, ASSOCIATE = 1, 2, 3


class Refused(OSError):
    """The proxy said no: `reply` is its byte, or None when it closed without one."""

    def __init__(self, reply):
        super().__init__(f"SOCKS5 reply {reply}")
        self.reply = reply


def address(host, port):
    """ATYP, address and port."""
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode()
        return bytes([3, len(name)]) + name + struct.pack(">H", port)
    return bytes([1 if literal.version == 4 else 4]) + literal.packed + struct.pack(">H", port)


def read_address(read):
    """(host, port) from a function that gives so many bytes."""
    kind = read(1)[0]
    if kind == 3:
        host = read(read(1)[0]).decode()
    else:
        host = str(ipaddress.ip_address(read(4 if kind == 1 else 16)))
    return host, struct.unpack(">H", read(2))[0]


def greet(sock, user=None, password=None):
    sock.sendall(b"\x05\x02\x00\x02" if user is not None else b"\x05\x01\x00")
    answer = exactly(sock, 2)
    if answer == b"\x05\x02":
        name, secret = user.encode(), password.encode()
        sock.sendall(bytes([1, len(name)]) + name + bytes([len(secret)]) + secret)
        if exactly(sock, 2) != b"\x01\x00":
            raise Refused("login")
    elif answer != b"\x05\x00":
        raise Refused("method")


def ask(sock, command, host, port):
    """The bound address that the proxy tells."""
    sock.sendall(bytes([5, command, 0]) + address(host, port))
    head = exactly(sock, 3)
    if len(head) < 3:
        raise Refused(None)
    bound = read_address(lambda size: exactly(sock, size))
    if head[1]:
        raise Refused(head[1])
    return bound


def connect(proxy, port, host="127.0.0.1", user=None, password=None, timeout=60):
    """A socket that leads to the target. `proxy` is a port on loopback."""
    sock = socket.create_connection(("127.0.0.1", proxy), timeout)
    try:
        greet(sock, user, password)
        ask(sock, CONNECT, host, port)
    except BaseException:
        sock.close()
        raise
    return sock


def dialer(proxy, host="127.0.0.1", **options):
    """For traffic.User."""
    return lambda port, timeout: connect(proxy, port, host, timeout=timeout, **options)


class Association:
    """UDP ASSOCIATE: send to anybody, receive from anybody."""

    def __init__(self, proxy, user=None, password=None, timeout=30):
        self.control = socket.create_connection(("127.0.0.1", proxy), timeout)
        greet(self.control, user, password)
        host, port = ask(self.control, ASSOCIATE, "0.0.0.0", 0)
        self.relay = ("127.0.0.1" if host == "0.0.0.0" else host, port)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(timeout)

    def send(self, payload, host, port, fragment=0):
        self.socket.sendto(b"\0\0" + bytes([fragment]) + address(host, port) + payload, self.relay)

    def receive(self):
        """(payload, (host, port))"""
        datagram = self.socket.recv(65536)
        assert datagram[:3] == b"\0\0\0", datagram[:3]
        at = 3

        def take(size):
            nonlocal at
            at += size
            return datagram[at - size : at]

        source = read_address(take)
        return datagram[at:], source

    def close(self):
        self.control.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
