"""The PROXY protocol in plain Python: headers made and read, and a proxy that says one before it relays."""

import contextlib
import ipaddress
import socket
import struct
import threading

from acceptor import Acceptor, hang_up
from traffic import exactly

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(source, source_port, target="192.0.2.254", target_port=443):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {target} {source_port} {target_port}\r\n".encode()


def v2(source, source_port, target="192.0.2.254", target_port=443, extensions=b"", command=1):
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    family = 0x21 if ":" in source else 0x11
    block = addresses + struct.pack(">HH", source_port, target_port) + extensions
    return SIGNATURE + struct.pack(">BBH", 0x20 | command, family, len(block)) + block


def make(version, source, source_port):
    """Of one family for both."""
    target = "2001:db8::fe" if ":" in source else "192.0.2.254"
    return (v1 if version == 1 else v2)(source, source_port, target)


def read(sock):
    """(version, source, source port, target, target port); None for what is not said. Reads nothing else."""
    first = exactly(sock, 12)
    if first == SIGNATURE:
        kind, family, size = struct.unpack(">BBH", exactly(sock, 4))
        block = exactly(sock, size)
        assert kind >> 4 == 2 and len(block) == size
        if kind & 15 == 0:
            return 2, None, None, None, None
        half = {0x11: 4, 0x21: 16}[family]
        hosts = [str(ipaddress.ip_address(block[i * half : (i + 1) * half])) for i in range(2)]
        ports = struct.unpack_from(">HH", block, 2 * half)
        return 2, hosts[0], ports[0], hosts[1], ports[1]
    line = first
    while not line.endswith(b"\r\n"):
        more = sock.recv(1)
        assert more and len(line) < 107, line
        line += more
    words = line.decode().split()
    assert words[0] == "PROXY", line
    if words[1] == "UNKNOWN":
        return 1, None, None, None, None
    assert words[1] in ("TCP4", "TCP6")
    return 1, words[2], int(words[4]), words[3], int(words[5])


class Front:
    """A proxy on loopback that connects from `source` and says `header` first, in pieces of that size."""

    def __init__(self, to_port, header, source="127.0.0.1", piece=None):
        self.to_port, self.header, self.source, self.piece = to_port, header, source, piece
        self.sockets, self.threads = [], []
        self.acceptor = Acceptor(self._take)
        self.port = self.acceptor.port
        self.address = f"127.0.0.1:{self.port}"

    def _take(self, near):
        self._start(self._serve, near)

    def _start(self, target, *args):
        self.threads.append(threading.Thread(target=target, args=args, daemon=True))
        self.threads[-1].start()

    def _serve(self, near):
        try:
            far = socket.create_connection(("127.0.0.1", self.to_port), 10, (self.source, 0))
        except OSError:
            near.close()
            return
        self.sockets += [near, far]
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far.settimeout(None)
        self._start(self._copy, far, near)
        try:
            step = self.piece or len(self.header) or 1
            for at in range(0, len(self.header), step):
                far.sendall(self.header[at : at + step])
        except OSError:
            pass
        self._copy(near, far)

    @staticmethod
    def _copy(source, sink):
        try:
            while True:
                received = source.recv(65536)
                if not received:
                    break
                sink.sendall(received)
        except OSError:
            pass
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.acceptor.close()
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for sock in self.sockets:
            hang_up(sock, *self.threads)
