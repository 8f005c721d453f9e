"""yamux and the TLS Tunnel control stream in plain Python, for scripted sessions in both roles.

A Session is used from one thread. It answers pings and grants window by itself unless told not to;
everything else is visible: frames in order, streams with what came on them, and how it all ended.
"""

import json
import socket
import ssl
import struct
import time

DATA, WINDOW, PING, GOAWAY = 0, 1, 2, 3
SYN, ACK, FIN, RST = 1, 2, 4, 8
HEADER = struct.Struct(">BBHII")
INITIAL_WINDOW = 262144
KEY = "0123456789abcdef"


def frame(kind, flags, stream, length=0, body=b"", version=0):
    """A frame; the length of Data is that of the body unless given."""
    return HEADER.pack(version, kind, flags, stream, length or (len(body) if kind == DATA else 0)) + body


def message(value):
    """A control message: length and JSON. A str or bytes is taken as it is."""
    text = (
        value
        if isinstance(value, bytes)
        else value.encode()
        if isinstance(value, str)
        else compact(value).encode()
    )
    return struct.pack(">I", len(text)) + text


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def authenticate(key=KEY, version="1.5.1", number=1):
    return {
        "jsonrpc": "2.0",
        "method": "authenticate",
        "params": {"auth_key": key, "protocol_version": version},
        "id": number,
    }


def submit(proxies=(), visitors=(), number=2):
    return {
        "jsonrpc": "2.0",
        "method": "submit_config",
        "params": {"proxies": list(proxies), "visitors": list(visitors)},
        "id": number,
    }


def published(name, publish_port, local_port=1, **more):
    return {
        "local_port": local_port,
        "name": name,
        "proxy_type": "tcp",
        "publish_addr": "127.0.0.1",
        "publish_port": publish_port,
        **more,
    }


HEARTBEAT = '{"jsonrpc":"2.0","method":"heartbeat","params":null}'


class Stream:
    def __init__(self):
        self.received = bytearray()
        self.frames = []  # (kind, flags, length)
        self.syn = self.ack = self.fin = self.rst = False
        self.credit = INITIAL_WINDOW


class Session:
    """One connection. `is_client` decides the parity of the streams that it opens."""

    def __init__(self, sock, is_client, grants=True, pongs=True):
        self.sock, self.grants, self.pongs = sock, grants, pongs
        self.next_id = 1 if is_client else 2
        self.peer = "%s:%d" % sock.getsockname()[:2]  # what the other side logs about us
        self.streams, self.frames = {}, []
        self.goaway = self.ended = None
        self.opened = []  # ids that the peer opened, in order
        self.pings = []
        self._in = bytearray()
        self.control = None
        self.notes = []

    def stream(self, number):
        return self.streams.setdefault(number, Stream())

    def send(self, raw):
        self.sock.settimeout(30)
        try:
            self.sock.sendall(raw)
        except (OSError, ssl.SSLError) as error:
            self.ended = self.ended or f"send: {error}"

    def open(self, body=b"", flags=SYN, number=None):
        """Opens a stream with a Data SYN and gives its id."""
        if number is None:
            number, self.next_id = self.next_id, self.next_id + 2
        self.stream(number)
        self.send(frame(DATA, flags, number, body=body))
        return number

    def data(self, number, body, flags=0):
        self.send(frame(DATA, flags, number, body=body))

    def pump(self, condition, timeout=10):
        """Reads frames until the condition holds. False when the time is over or the session has ended."""
        end = time.monotonic() + timeout
        while not condition():
            if self.ended:
                return bool(condition())
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._read(left)
        return True

    def _read(self, seconds):
        self.sock.settimeout(max(seconds, 0.001))
        try:
            received = self.sock.recv(65536)
        except (socket.timeout, ssl.SSLWantReadError):
            return
        except (ssl.SSLEOFError, ConnectionResetError, BrokenPipeError) as error:
            self.ended = f"reset: {error}"
            return
        except OSError as error:
            self.ended = f"error: {error}"
            return
        if not received:
            self.ended = "eof"
            return
        self._in += received
        while self._frame():
            pass

    def _frame(self):
        if len(self._in) < HEADER.size:
            return False
        version, kind, flags, number, length = HEADER.unpack_from(self._in)
        assert version == 0 and kind <= GOAWAY, f"bad frame {self._in[:12].hex()}"
        size = HEADER.size + (length if kind == DATA else 0)
        assert length <= 1 << 20 or kind != DATA, f"frame of {length} bytes"
        if len(self._in) < size:
            return False
        body = bytes(self._in[HEADER.size : size])
        del self._in[:size]
        self.frames.append((kind, flags, number, length))
        self._take(kind, flags, number, length, body)
        return True

    def _take(self, kind, flags, number, length, body):
        if kind == PING:
            if flags & SYN:
                self.pings.append(length)
                if self.pongs:
                    self.send(frame(PING, ACK, 0, length))
            return
        if kind == GOAWAY:
            self.goaway = length
            return
        if flags & SYN:
            self.opened.append(number)
        one = self.stream(number)
        one.frames.append((kind, flags, length))
        one.syn |= bool(flags & SYN)
        one.ack |= bool(flags & ACK)
        one.fin |= bool(flags & FIN)
        one.rst |= bool(flags & RST)
        if kind == WINDOW:
            one.credit += length
        one.received += body
        if flags & SYN and self.grants:
            self.send(frame(WINDOW, ACK, number))
        if body and self.grants and not one.fin and not one.rst:
            self.send(frame(WINDOW, 0, number, length))

    def read(self, number, size, timeout=10):
        """So many bytes of a stream, taken out of what was received."""
        one = self.stream(number)
        self.pump(lambda: len(one.received) >= size or one.rst or one.fin, timeout)
        found = bytes(one.received[:size])
        del one.received[:size]
        return found

    def call(self, value, timeout=10):
        """Sends a control message (opening the control stream with the first) and gives the answer."""
        self.tell(value)
        return self.answer(timeout)

    def tell(self, value):
        if self.control is None:
            self.control = self.open(message(value))
        else:
            self.data(self.control, message(value))

    def hear(self, timeout=10):
        """The next control message as text, or None."""
        if self.control is None:
            if not self.pump(lambda: self.opened, timeout):
                return None
            self.control = self.opened[0]
        head = self.read(self.control, 4, timeout)
        if len(head) < 4:
            return None
        return self.read(self.control, struct.unpack(">I", head)[0], timeout).decode()

    def answer(self, timeout=10):
        """The next control message with an id, as text; what came before it is kept in `notes`."""
        while True:
            text = self.hear(timeout)
            if text is None or "id" in json.loads(text):
                return text
            self.notes.append(json.loads(text))

    def login(self, proxies=(), visitors=(), beat=True):
        """The whole handshake of a client. Gives the answer to submit_config as an object."""
        self.send(frame(PING, SYN, 0, 0xDEADBEEF))
        answer = json.loads(self.call(authenticate()))
        assert "result" in answer, answer
        answer = json.loads(self.call(submit(proxies, visitors)))
        if beat:
            self.tell(HEARTBEAT)
        return answer

    def admit(self, rejected=()):
        """The whole handshake of a server. Gives the client's configuration."""
        self.send(frame(PING, SYN, 0, 0xFEEDBEEF))
        request = json.loads(self.hear())
        assert request["method"] == "authenticate" and request["params"]["auth_key"] == KEY, request
        self.tell(
            {
                "jsonrpc": "2.0",
                "result": {
                    "client_id": "client_1",
                    "min_client_version": "1.4.0",
                    "protocol_version": "1.5.1",
                },
                "id": request["id"],
            }
        )
        request = json.loads(self.hear())
        assert request["method"] == "submit_config", request
        self.tell({"jsonrpc": "2.0", "result": {"rejected_proxies": list(rejected)}, "id": request["id"]})
        return request["params"]

    def abort(self):
        """Closes with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def trusting():
    """A client's TLS settings that accept any certificate."""
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    settings.check_hostname = False
    settings.verify_mode = ssl.CERT_NONE
    return settings


def dial(port, source="127.0.0.1", **options):
    """A session as a client of the gateway on that port."""
    plain = socket.create_connection(("127.0.0.1", port), 10, (source, 0))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Session(trusting().wrap_socket(plain), True, **options)


class Server:
    """A TLS listener that gives each client of ours as a session in the server's role."""

    def __init__(self, certificate, port=0):
        self.settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.settings.load_cert_chain(certificate.cert, certificate.key)
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"

    def accept(self, timeout=15, **options):
        self.listener.settimeout(timeout)
        plain, peer = self.listener.accept()
        plain.settimeout(10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session = Session(self.settings.wrap_socket(plain, server_side=True), False, **options)
        session.peer = self.address
        return session

    def close(self):
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
