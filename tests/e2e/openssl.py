"""OpenSSL itself, by its C interface: what Python's own module leaves out, KeyUpdates and renegotiation.

A Between stands in for the gateway towards a client and for the client towards the gateway: it opens what one
end has sealed and seals it for the other, and sends KeyUpdates of its own at random moments.
"""

import contextlib
import ctypes
import random
import select
import socket
import threading

import pytest

from acceptor import hang_up

WANT_READ, WANT_WRITE, ZERO_RETURN = 2, 3, 6
CTRL_MODE, CTRL_MAX_VERSION = 33, 124
MODES = 1 | 2  # partial writes, from a buffer that may move
TLS12 = 0x0303
FILE_PEM = 1
RT_HANDSHAKE, KEY_UPDATE = 22, 24
RECORD = 16384
MESSAGE = ctypes.CFUNCTYPE(
    None,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_void_p,
)


def _library():
    try:
        found = ctypes.CDLL("libssl.so.3")
    except OSError:
        return None
    for name in ("TLS_client_method", "TLS_server_method", "SSL_CTX_new", "SSL_new"):
        getattr(found, name).restype = ctypes.c_void_p
    return found


lib = _library()


class Settings:
    """An SSL_CTX; with a certificate it is a server's."""

    def __init__(self, certificate=None, tls12=False):
        if lib is None:
            pytest.skip("libssl.so.3 is not installed (libssl3)")
        method = lib.TLS_server_method() if certificate else lib.TLS_client_method()
        self.raw = ctypes.c_void_p(lib.SSL_CTX_new(ctypes.c_void_p(method)))
        lib.SSL_CTX_ctrl(self.raw, CTRL_MODE, ctypes.c_long(MODES), None)
        if tls12:
            lib.SSL_CTX_ctrl(self.raw, CTRL_MAX_VERSION, ctypes.c_long(TLS12), None)
        if certificate:
            assert lib.SSL_CTX_use_certificate_file(self.raw, str(certificate.cert).encode(), FILE_PEM) == 1
            assert lib.SSL_CTX_use_PrivateKey_file(self.raw, str(certificate.key).encode(), FILE_PEM) == 1

    def close(self):
        lib.SSL_CTX_free(self.raw)


class End:
    """One TLS connection on a socket that does not block. Used by one thread."""

    def __init__(self, settings, sock, server):
        self.sock, self.updates_heard, self.updates_said = sock, 0, 0
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self.raw = ctypes.c_void_p(lib.SSL_new(settings.raw))
        self._room = ctypes.create_string_buffer(RECORD)
        self._heard = MESSAGE(self._message)
        lib.SSL_set_msg_callback(self.raw, self._heard)
        lib.SSL_set_fd(self.raw, sock.fileno())
        (lib.SSL_set_accept_state if server else lib.SSL_set_connect_state)(self.raw)
        self.ended = False

    def _message(self, said, _version, kind, at, size, _ssl, _owner):
        if kind == RT_HANDSHAKE and size == 5 and ctypes.string_at(at, 1)[0] == KEY_UPDATE:
            self.updates_said += said
            self.updates_heard += not said

    def _wants(self, result):
        error = lib.SSL_get_error(self.raw, result)
        if error not in (WANT_READ, WANT_WRITE, ZERO_RETURN):
            raise OSError(f"TLS failed: error {error}")
        self.ended |= error == ZERO_RETURN
        return error

    def _wait(self, error, timeout=15):
        ways = ([self.sock], []) if error == WANT_READ else ([], [self.sock])
        if not any(select.select(*ways, [], timeout)):
            raise OSError("TLS waits for too long")

    def shake(self):
        while (result := lib.SSL_do_handshake(self.raw)) <= 0:
            self._wait(self._wants(result))
        return self

    def read(self):
        """What one record holds, or nothing: there is no more now, or it has `ended`."""
        got = lib.SSL_read(self.raw, self._room, RECORD)
        if got <= 0:
            self._wants(got)
            return b""
        return self._room.raw[:got]

    def write(self, content):
        """How much of it was taken."""
        sent = lib.SSL_write(self.raw, content, len(content))
        return sent if sent > 0 else self._wants(sent) * 0

    def update(self, request):
        """Says KeyUpdate with the next write; with `request` the peer is to say one, too. Not in TLS 1.2."""
        if lib.SSL_version(self.raw) != TLS12:
            assert lib.SSL_key_update(self.raw, int(request)) == 1

    def renegotiate(self):
        """TLS 1.2: asks for a new handshake. False: it was refused."""
        lib.SSL_renegotiate(self.raw)
        try:
            self.shake()
        except OSError:
            return False
        return True

    def shutdown(self):
        lib.SSL_shutdown(self.raw)

    def close(self):
        self.sock.close()
        lib.SSL_free(self.raw)


class Between:
    """Listens for our client, and forwards to our gateway, there with TLS 1.2 if so wanted."""

    def __init__(self, certificate, port_behind, seed=1, every=200, tls12=False):
        self.port_behind, self.random, self.every = port_behind, random.Random(seed), every
        self.settings = Settings(certificate), Settings(tls12=tls12)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4)
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.ends, self.failure = (), None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            front, _ = self.listener.accept()
            back = socket.create_connection(("127.0.0.1", self.port_behind), 10)
            self.ends = (End(self.settings[0], front, True), End(self.settings[1], back, False))
            for end in self.ends:
                end.shake()
            self._forward()
        except OSError as failure:
            self.failure = None if self._stopping else failure
            for end in self.ends:
                with contextlib.suppress(OSError):  # the one that has failed may be gone
                    end.sock.shutdown(socket.SHUT_RDWR)

    def _forward(self):
        waiting = [b"", b""]  # for ends[i]
        while not self._stopping:
            moved = False
            for i, end in enumerate(self.ends):
                waiting[i] = waiting[i] or self.ends[1 - i].read()
                if not waiting[i]:
                    continue
                if self.random.random() < 1 / self.every:
                    end.update(self.random.random() < 0.5)
                sent = end.write(waiting[i])
                waiting[i] = waiting[i][sent:]
                moved |= sent > 0
            if any(end.ended for end in self.ends):
                break
            if not moved:
                self._pause(waiting)
        for end in self.ends:
            end.shutdown()
            end.sock.shutdown(socket.SHUT_WR)

    def _pause(self, waiting):
        """Until a socket has news. What cannot be written may have to be read before, too."""
        reads = [end.sock for end in self.ends]
        writes = [end.sock for i, end in enumerate(self.ends) if waiting[i]]
        reads = [s for i, s in enumerate(reads) if not waiting[1 - i]]
        select.select(reads, writes, [], 0.5)

    def close(self):
        self._stopping = True
        hang_up(self.listener, self._thread)
        for end in self.ends:
            end.close()
        for one in self.settings:
            one.close()
