"""The generations of TLS Tunnel before 1.5 in plain Python, both roles: handshakes, then a yamux session.

Generations: "1.0"; "1.1" and "1.4", which differ in `visitors`; "1.4.y". Servers do what the originals do,
also where that is a mistake: they take a Ping for the length of a key, and do not tell owners what visitors
want.
"""

import json
import socket
import ssl
import struct

import yamux
from yamux import KEY, compact

GENERATIONS = ["1.0", "1.1", "1.4", "1.4.y"]
TOO_LONG = b"\x00\x00\x2cAuthentication key too long (max 1024 bytes)"
WRONG_KEY = b"\x00\x00\x1aInvalid authentication key"


def sized(text):
    text = text if isinstance(text, bytes) else text.encode()
    return struct.pack(">I", len(text)) + text


def key_message(generation, key=KEY):
    return sized(compact({"auth_key": key}) if generation == "1.4.y" else key)


def proxy(name, publish_port, local_port, publish_addr="127.0.0.1"):
    """In the original's order."""
    return {
        "name": name,
        "proxy_type": "tcp",
        "publish_addr": publish_addr,
        "publish_port": publish_port,
        "local_port": local_port,
    }


def config_message(generation, proxies=(), visitors=(), **more):
    if generation == "1.0":
        parts = [struct.pack(">H", len(proxies))]
        for one in proxies:
            name = one["name"].encode()
            ports = struct.pack(">HH", one["publish_port"], one["local_port"])
            parts.append(struct.pack(">H", len(name)) + name + ports)
        return b"".join(parts)
    config = {"version": 1, "proxies": list(proxies), "visitors": list(visitors), **more}
    if generation == "1.1":
        del config["visitors"]
    return sized(compact(config))


class Raw:
    """A TLS connection, byte by byte."""

    def __init__(self, sock):
        self.sock = sock
        self.peer = "%s:%d" % sock.getsockname()[:2]

    def send(self, raw):
        self.sock.sendall(raw)

    def read(self, size, timeout=10):
        """So many bytes, or fewer when it ends before."""
        self.sock.settimeout(timeout)
        found = b""
        while len(found) < size:
            try:
                received = self.sock.recv(size - len(found))
            except (ConnectionResetError, ssl.SSLEOFError):
                break
            if not received:
                break
            found += received
        return found

    def rest(self, timeout=10):
        """All that comes until the end."""
        return self.read(1 << 20, timeout)

    def text(self):
        return self.read(struct.unpack(">I", self.read(4))[0])

    def session(self, is_client, **options):
        session = yamux.Session(self.sock, is_client, **options)
        session.send(yamux.frame(yamux.PING, yamux.SYN, 0, 0xDEADBEEF))
        return session

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def dial(port):
    plain = socket.create_connection(("127.0.0.1", port), 10)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Raw(yamux.trusting().wrap_socket(plain))


def login(port, generation, proxies=(), visitors=(), **more):
    """A client of that generation. Gives its session, and what it was told."""
    raw = dial(port)
    raw.send(key_message(generation))
    if generation == "1.4.y":
        assert raw.text() == b'{"success":true}'
    else:
        assert raw.read(1) == b"\x01"
    raw.send(config_message(generation, proxies, visitors, **more))
    if generation == "1.4.y":
        assert raw.text() == b'{"valid":true}'
        return raw.session(True), raw.text()
    assert raw.read(1) == b"\x01"
    return raw.session(True), b""


class Server(yamux.Server):
    """An original gateway of that generation."""

    def __init__(self, certificate, generation, port=0):
        super().__init__(certificate, port)
        self.generation = generation

    def raw(self, timeout=15):
        self.listener.settimeout(timeout)
        plain, _ = self.listener.accept()
        plain.settimeout(10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Raw(self.settings.wrap_socket(plain, server_side=True))

    def hear_key(self, raw):
        """The key, or None where the original ends the connection."""
        head = raw.read(4)
        if len(head) < 4:
            return None
        size = struct.unpack(">I", head)[0]
        if size > (10240 if self.generation == "1.4.y" else 1024):
            if self.generation != "1.4.y":
                raw.send(TOO_LONG)
            raw.close()
            return None
        text = raw.read(size).decode()
        return json.loads(text)["auth_key"] if self.generation == "1.4.y" else text

    def hear_config(self, raw):
        """Its list of (name, publish_port, local_port), and the object."""
        if self.generation != "1.0":
            config = json.loads(raw.text())
            return [(p["name"], p["publish_port"], p["local_port"]) for p in config["proxies"]], config
        found = []
        for _ in range(struct.unpack(">H", raw.read(2))[0]):
            name = raw.read(struct.unpack(">H", raw.read(2))[0]).decode()
            found.append((name, *struct.unpack(">HH", raw.read(4))))
        return found, None

    def admit(self, raw, rejected=()):
        """The handshake of a connection whose key is right. Gives its session and the configuration."""
        assert self.hear_key(raw) == KEY
        raw.send(sized(b'{"success":true}') if self.generation == "1.4.y" else b"\x01")
        proxies, config = self.hear_config(raw)
        if self.generation == "1.4.y":
            raw.send(sized(b'{"valid":true}'))
            raw.send(sized(compact({"accepted": True, "rejected_proxies": list(rejected)})))
        else:
            raw.send(b"\x01")
        session = raw.session(False)
        session.config, session.published = config, proxies
        return session

    def port_of(self, session, name):
        """What this generation writes at the start of a stream."""
        for one, publish, local in session.published:
            if one == name:
                return struct.pack(">H", local if self.generation in ("1.0", "1.1") else publish)
        raise KeyError(name)
