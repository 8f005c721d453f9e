"""Users and services that know every byte they should see.

A user sends a head (stream number, bytes up, bytes down) and its content; the service checks it, sends the
content of the other direction at the same time, then a trailer and the end. Content is a cycle of prime
length entered at a place that depends on stream and direction, so that a lost, doubled or foreign piece
shows at its first byte. An end is "eof", "reset" or "timeout", and `whole` says if everything had come.
"""

import random
import socket
import struct
import threading
import time

from acceptor import Acceptor

HEAD = struct.Struct(">QQQ")
TRAILER = b"that was all of it"
PIECE = 256 * 1024
PERIOD = 3145739
_cycle = random.Random(20).randbytes(PERIOD)
_cycle = memoryview(_cycle + _cycle[:PIECE])


class Fault(AssertionError):
    """Content that is not what was sent."""


class Content:
    """The bytes of one direction of one stream, in order."""

    def __init__(self, stream, direction, size):
        self.begin = (stream * 104729 + direction * 1572869 + 1) % PERIOD
        self.stream, self.direction, self.size, self.done = stream, direction, size, 0

    def piece(self, size=PIECE):
        """The next bytes, at most so many; moves on only when told by `done`."""
        at = (self.begin + self.done) % PERIOD
        return _cycle[at : at + min(size, PIECE, self.size - self.done)]

    def check(self, received):
        expected = self.piece(len(received))
        if len(received) > self.size - self.done or bytearray(received) != expected:
            raise Fault(
                f"stream {self.stream} direction {self.direction}: wrong content after {self.done} bytes of "
                f"{self.size}: {bytes(received[:32])!r}"
            )
        self.done += len(received)

    @property
    def whole(self):
        return self.done == self.size


class Outcome:
    """How one side of a transfer went."""

    def __init__(self, stream):
        self.stream, self.end, self.whole, self.received, self.fault = stream, None, False, 0, None
        self.ended_at = None

    def ended(self, end):
        self.end, self.ended_at = end, time.monotonic()

    def __repr__(self):
        return f"<stream {self.stream}: {self.end}, {self.received} bytes, whole {self.whole}, {self.fault}>"


def _send(sock, content, gate=None):
    while not content.whole:
        if gate is not None:
            gate.wait()
        content.done += sock.send(content.piece())


def _receive(sock, content):
    """Until the content is whole; an early end is told as "eof"."""
    while not content.whole:
        received = sock.recv(min(PIECE, content.size - content.done))
        if not received:
            return False
        content.check(received)
    return True


def exactly(sock, size):
    """So many bytes, or fewer at the end of the stream."""
    found = b""
    while len(found) < size:
        more = sock.recv(size - len(found))
        if not more:
            break
        found += more
    return found


class Service:
    """A local service on a loopback port: serves checked transfers until it is closed."""

    def __init__(self, timeout=120):
        self.timeout, self.outcomes, self.accepted = timeout, {}, 0
        self.acceptor = Acceptor(self._take)
        self.port, self.close = self.acceptor.port, self.acceptor.close

    def _take(self, sock):
        self.accepted += 1
        threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        sock.settimeout(self.timeout)
        outcome = Outcome(None)
        try:
            with sock:
                self._transfer(sock, outcome)
        except Fault as fault:
            outcome.fault = str(fault)
        except socket.timeout:
            outcome.ended("timeout")
        except OSError:
            outcome.ended("reset")
        self.over(outcome)

    def over(self, outcome):
        """Nobody is told but who asks for the outcomes."""

    def _transfer(self, sock, outcome):
        head = exactly(sock, HEAD.size)
        if len(head) < HEAD.size:
            return
        stream, up, down = HEAD.unpack(head)
        outcome.stream = stream
        self.outcomes[stream] = outcome
        failed = []

        def answer():
            try:
                _send(sock, Content(stream, 1, down))
            except OSError as error:
                failed.append(error)

        sender = threading.Thread(target=answer, daemon=True)
        sender.start()
        upload = Content(stream, 0, up)
        try:
            outcome.whole = _receive(sock, upload)
        finally:
            outcome.received = upload.done
        sender.join()
        if failed:
            raise failed[0]
        if not outcome.whole:
            return outcome.ended("eof")
        sock.sendall(TRAILER)
        outcome.ended("eof")
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(5)
        sock.recv(1)
        return None

    def faults(self):
        return [o for o in self.outcomes.values() if o.fault]


class User(threading.Thread):
    """One checked transfer through a port, in a thread of its own."""

    numbers = iter(range(1, 1 << 40))

    def __init__(self, port, up=0, down=0, timeout=120, source=None, awaits_end=True, dial=None):
        super().__init__(daemon=True)
        self.port, self.up, self.down, self.timeout, self.source = port, up, down, timeout, source
        self.dial = dial  # gives a socket that leads to the port, through a proxy say
        self.awaits_end = awaits_end  # the original server never tells a user that the service has closed
        self.stream = next(User.numbers)
        self.outcome = Outcome(self.stream)
        self.upload_error = None
        self.moving = threading.Event()  # the first byte of the answer is here
        self.download = Content(self.stream, 1, down)

    def run(self):
        try:
            self._transfer()
        except Fault as fault:
            self.outcome.fault = str(fault)
        except socket.timeout:
            self.outcome.ended("timeout")
        except OSError:
            self.outcome.ended("reset")

    def _connect(self):
        if self.dial:
            return self.dial(self.port, self.timeout)
        source = (self.source, 0) if self.source else None
        return socket.create_connection(("127.0.0.1", self.port), self.timeout, source)

    def _transfer(self):
        with self._connect() as sock:
            sock.sendall(HEAD.pack(self.stream, self.up, self.down))
            sender = threading.Thread(target=self._upload, args=(sock,), daemon=True)
            sender.start()
            try:
                if self.down:
                    self.download.check(exactly(sock, 1))
                    self.moving.set()
                whole = _receive(sock, self.download)
                trailer = exactly(sock, len(TRAILER)) if whole else b""
                if whole and trailer and trailer != TRAILER:
                    raise Fault(f"stream {self.stream}: trailer {trailer!r}")
                self.outcome.whole = trailer == TRAILER
                if (self.awaits_end or not self.outcome.whole) and sock.recv(1):
                    raise Fault(f"stream {self.stream}: more than was sent")
                if not self.outcome.whole:
                    sender.join(5)
                # The kernel tells of a reset once: when the sender was told, the reader sees an end.
                self.outcome.ended("eof" if self.upload_error is None or self.outcome.whole else "reset")
            finally:
                self.outcome.received = self.download.done

    def _upload(self, sock):
        try:
            _send(sock, Content(self.stream, 0, self.up))
        except OSError as error:
            self.upload_error = error

    def finish(self, timeout=180):
        """Waits, and demands that all came, unharmed, with a clean end."""
        self.join(timeout)
        outcome = self.outcome
        assert not self.is_alive(), (
            f"still moving after {timeout} s: {outcome} {self.download.done} of {self.down}"
        )
        assert outcome.fault is None and outcome.end == "eof" and outcome.whole, f"{outcome} of {self.down}"
        return outcome


def transfer(port, up=0, down=0, **options):
    user = User(port, up, down, **options)
    user.start()
    return user.finish()


def start_users(count, port, up=0, down=0, **options):
    users = [User(port, up, down, **options) for _ in range(count)]
    for user in users:
        user.start()
    return users


class Reference:
    """Transfers one after another beside a test; all of them must be whole."""

    def __init__(self, port, size=1 << 20):
        self.port, self.size, self.count, self.failure = port, size, 0, None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        transfer(self.port, 1000, self.size)
        self._thread.start()
        return self

    def _run(self):
        try:
            while not self._stop.is_set():
                transfer(self.port, self.size // 4, self.size)
                self.count += 1
        except (AssertionError, OSError) as failure:
            self.failure = failure

    def __exit__(self, kind, value, trace):
        before = self.count
        end = time.monotonic() + 60
        while kind is None and self.count < before + 2 and self.failure is None and time.monotonic() < end:
            time.sleep(0.01)
        self._stop.set()
        self._thread.join(60)
        if kind is None:
            assert self.failure is None, f"the transfer beside was harmed: {self.failure}"
            assert self.count >= before + 2, "the transfer beside stands still"


def end_of(sock, timeout=10):
    """Reads to the end. Gives what came and how it ended: "eof", "reset" or "timeout"."""
    sock.settimeout(timeout)
    found = bytearray()
    try:
        while True:
            received = sock.recv(PIECE)
            if not received:
                return bytes(found), "eof"
            found += received
    except socket.timeout:
        return bytes(found), "timeout"
    except OSError:
        return bytes(found), "reset"


def abort(sock):
    """Closes with a TCP reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
