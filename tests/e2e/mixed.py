"""Users of a SOCKS port who do one thing after another until they are told to stop, each checked; crowds of
them, and what such a crowd leaves in programs.

A service answers by the first byte that it gets: what came, a digest after the end, or a stream and a reset.
"""

import hashlib
import random
import socket
import struct
import threading

import tunnel
from acceptor import Acceptor
from socks5 import Association, connect
from traffic import abort, end_of, exactly, transfer

WAIT = 120
BACK, DIGEST, RESET = b"BDR"
# Pools that grew and what was lent to io_uring stay; a leak of a mix such as this is far more.
KEPT_KIB = 8 * 1024
SIZE = struct.Struct(">Q")


class Answers:
    """Echo, digest or reset, by the first byte of a connection."""

    def __init__(self):
        acceptor = Acceptor(self._take)
        self.port, self.close = acceptor.port, acceptor.close

    def _take(self, sock):
        sock.settimeout(WAIT)
        threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        with sock:
            try:
                kind = sock.recv(1)
                if kind:
                    {BACK: self._back, DIGEST: self._digest, RESET: self._reset}[kind[0]](sock)
            except OSError:
                pass  # the user tells

    @staticmethod
    def _back(sock):
        while piece := sock.recv(65536):
            sock.sendall(piece)

    @staticmethod
    def _digest(sock):
        digest = hashlib.sha256()
        while piece := sock.recv(65536):
            digest.update(piece)
        sock.sendall(digest.digest())

    @staticmethod
    def _reset(sock):
        (size,) = SIZE.unpack(exactly(sock, SIZE.size))
        sock.sendall(b"\xaa" * size)
        sock.recv(1)  # what was sent may arrive; more than that nobody promises
        abort(sock)


class Someone(threading.Thread):
    """One user: `failure` is what went wrong, `done` how often each thing was done."""

    def __init__(self, seed, proxy, service, answers, echo, stop):
        super().__init__(daemon=True)
        self.random, self.proxy, self.stop = random.Random(seed), proxy, stop
        self.service, self.answers, self.echo = service, answers, echo
        self.failure, self.done, self.doing = None, {}, None
        # Every fourth has one channel all the time, every tenth an association.
        things = [self.pass_content, self.pass_content, self.half_close, self.leave, self.be_left]
        self.things = [self.talk] if seed % 4 == 0 else [self.send_datagrams] if seed % 10 == 5 else things

    def run(self):
        try:
            while not self.stop.is_set():
                self.doing = self.random.choice(self.things)
                self.doing()
                self.done[self.doing.__name__] = self.done.get(self.doing.__name__, 0) + 1
        except Exception as error:  # told by the test, with what it was
            self.failure = f"{self.name} at {self.doing.__name__}: {error!r}"
            self.stop.set()

    def open(self, port):
        return connect(self.proxy, port, timeout=WAIT)

    def content(self, limit):
        return self.random.randbytes(int(limit ** self.random.random()))

    def pass_content(self):
        up, down = (int((1 << 22) ** self.random.random()) for _ in range(2))
        transfer(self.service.port, up, down, dial=lambda port, _: self.open(port), timeout=WAIT)

    def half_close(self):
        content = self.content(1 << 20)
        with self.open(self.answers.port) as sock:
            sock.sendall(bytes([DIGEST]) + content)
            sock.shutdown(socket.SHUT_WR)
            assert end_of(sock, WAIT) == (hashlib.sha256(content).digest(), "eof")

    def leave(self):
        """In the middle of what comes and goes, by a reset."""
        sock = self.open(self.answers.port)
        content = self.content(1 << 17)
        sock.sendall(bytes([BACK]) + content)
        back = exactly(sock, self.random.randrange(len(content) + 1))
        assert back == content[: len(back)]
        abort(sock)

    def be_left(self):
        size = self.random.randrange(1, 1 << 18)
        with self.open(self.answers.port) as sock:
            sock.sendall(bytes([RESET]) + SIZE.pack(size))
            assert exactly(sock, size) == b"\xaa" * size
            sock.sendall(b".")
            assert end_of(sock, WAIT) == (b"", "reset")

    def talk(self):
        with self.open(self.answers.port) as sock:
            sock.sendall(bytes([BACK]))
            while not self.stop.is_set():
                content = self.content(1 << 17)
                sock.sendall(content)
                assert exactly(sock, len(content)) == content
                self.stop.wait(self.random.random() / 10)
            sock.shutdown(socket.SHUT_WR)
            assert end_of(sock, WAIT) == (b"", "eof")

    def send_datagrams(self):
        """Datagrams may be lost, and are sent again; what comes is whole and from whom was asked."""
        with Association(self.proxy, timeout=WAIT) as association:
            association.socket.settimeout(0.5)
            for number in range(50):
                payload = SIZE.pack(number) + self.content(1400)
                while not self._answered(association, payload):
                    if self.stop.is_set():
                        return

    def _answered(self, association, payload):
        association.send(payload, "127.0.0.1", self.echo.port)
        try:
            while True:
                answer, source = association.receive()
                assert source == ("127.0.0.1", self.echo.port)
                if answer == b"echo:" + payload:
                    return True
                # A late answer to one that was sent again.
                assert answer[:5] == b"echo:" and SIZE.unpack(answer[5:13]) <= SIZE.unpack(payload[:8])
        except socket.timeout:
            return False


class Crowd:
    """Users until `stop`: `make` gives one from its seed, its number and that event."""

    def __init__(self, make, count, seed):
        self.stop = threading.Event()
        self.users = [make(seed + number, number, self.stop) for number in range(count)]
        for user in self.users:
            user.start()

    def finish(self):
        self.stop.set()
        for user in self.users:
            user.join(180)
        stuck = [f"{user.name} still at {user.doing.__name__}" for user in self.users if user.is_alive()]
        failures = [user.failure for user in self.users if user.failure]
        assert not failures and not stuck, "\n".join(failures + stuck)

    def done(self):
        found = {}
        for user in self.users:
            for thing, times in user.done.items():
                found[thing] = found.get(thing, 0) + times
        return found


class Weights:
    """Memory and descriptors of programs at rest, to be compared later."""

    def __init__(self, programs):
        self.programs = list(programs)
        self.before = [(program.rss_kib(), program.descriptors()) for program in self.programs]

    def __str__(self):
        return str(
            {p.name: (was, (p.rss_kib(), p.descriptors())) for p, was in zip(self.programs, self.before)}
        )

    def check(self):
        """As many descriptors as before, and no more than a quarter more memory."""

        def is_at_rest():
            return all(p.descriptors() <= was for p, (_, was) in zip(self.programs, self.before))

        def fell():
            pairs = zip(self.programs, self.before)
            return all(program.rss_kib() <= was + was // 4 + KEPT_KIB for program, (was, _) in pairs)

        tunnel.until(is_at_rest, lambda: f"the descriptors of before: {self}", 60)
        print(f"KiB and descriptors before and after: {self}")
        if not tunnel.SANITIZED:  # a sanitizer's own memory is not ours
            tunnel.until(fell, lambda: f"the memory of before: {self}", 60)
