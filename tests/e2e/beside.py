"""What others feel on the same link: an echo again and again, and the throughput of a stream."""

import socket
import threading
import time

PIECE = b"e" * 64


class Feel(threading.Thread):
    """Echoes of 64 bytes, one after another, while the block runs: `longest` is in seconds."""

    def __init__(self, sock):
        super().__init__(daemon=True)
        self.sock, self.stop, self.failure, self.waits = sock, threading.Event(), None, []

    def run(self):
        try:
            while not self.stop.is_set():
                began, got = time.monotonic(), b""
                self.sock.sendall(PIECE)
                while len(got) < len(PIECE):
                    more = self.sock.recv(len(PIECE))
                    assert more, "the end of the channel beside"
                    got += more
                assert got == PIECE
                self.waits.append(time.monotonic() - began)
        except (OSError, AssertionError) as failure:
            self.failure = failure

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.stop.set()
        self.join(60)
        if kind is None:
            assert not self.is_alive(), "the echo beside stands still"
            assert self.failure is None and self.waits, f"the echo beside was harmed: {self.failure}"

    @property
    def longest(self):
        return max(self.waits)


class Stream(threading.Thread):
    """Bytes through an echo as fast as they go: `rate` is in MB/s since `begin`."""

    def __init__(self, sock):
        super().__init__(daemon=True)
        self.sock, self.count, self.failure = sock, 0, None
        threading.Thread(target=self._send, daemon=True).start()
        self.start()

    def _send(self):
        try:
            while True:
                self.sock.sendall(bytes(1 << 17))
        except OSError:
            pass  # closed

    def run(self):
        try:
            while piece := self.sock.recv(1 << 18):
                self.count += len(piece)
        except OSError as failure:
            self.failure = failure

    def rate(self, seconds):
        began, count = time.monotonic(), self.count
        threading.Event().wait(seconds)
        assert self.is_alive() and self.count > count, f"the stream beside stands still: {self.failure}"
        return (self.count - count) / (time.monotonic() - began) / 1e6

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.join(10)
        self.sock.close()
