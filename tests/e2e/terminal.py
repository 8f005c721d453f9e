"""A program on a terminal of its own: what its screen shows, keys, size, and whether the modes come back."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time

import tunnel

SEQUENCE = re.compile(rb"\x1b\[(\??[0-9;]*)([A-Za-z])")


class Terminal:
    """Understands what `tunnel top` writes, and fails at anything else that moves the cursor."""

    def __init__(self, args, rows=14, columns=120, env=None, program=None):
        self.master, self.slave = os.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.child = subprocess.Popen(
            [program or tunnel.BIN, *args],
            stdin=self.slave,
            stdout=self.slave,
            stderr=subprocess.PIPE,
            env={**os.environ, "TERM": "xterm", **(env or {})},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.pending, self.modes, self.colored = b"", set(), False
        self.raw = b""

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.lines, self.at = [""] * rows, 0
        if getattr(self, "child", None):
            self.child.send_signal(signal.SIGWINCH)

    def _control(self, numbers, letter):
        if letter == "H":
            self.at = int(numbers.split(";")[0]) - 1
            assert numbers.endswith(";1"), numbers
        elif letter == "J":
            self.lines = [""] * self.rows
        elif letter == "K":
            pass  # a line is written whole
        elif letter == "m":
            self.colored |= numbers != "0"
        elif letter in "hl":
            (self.modes.add if letter == "h" else self.modes.discard)(numbers)
        else:
            raise AssertionError(f"ESC [ {numbers} {letter}")

    def _take(self, chunk):
        self.raw += chunk
        self.pending += chunk
        fresh = None
        while self.pending:
            found = SEQUENCE.match(self.pending)
            if found:
                self._control(found[1].decode(), found[2].decode())
                fresh = self.at if found[2] == b"H" else fresh
                self.pending = self.pending[found.end() :]
                continue
            if self.pending[0] == 27 and len(self.pending) < 16:
                return
            text, _, _ = self.pending.partition(b"\x1b")
            assert b"\n" not in text and b"\r" not in text, text
            if fresh is not None:
                self.lines[self.at] = ""
                fresh = None
            if self.at < len(self.lines):
                self.lines[self.at] += text.decode(errors="replace")
            self.pending = self.pending[len(text) :]

    def read(self, timeout=0.05):
        ready, _, _ = select.select([self.master], [], [], timeout)
        if ready:
            self._take(os.read(self.master, 65536))

    def until(self, condition, what):
        end = time.monotonic() + tunnel.WAIT
        while not condition(self.lines):
            assert time.monotonic() < end, f"{what}: {self.lines}"
            assert self.child.poll() is None, self.child.stderr.read().decode()
            self.read()
        return self.lines

    def shows(self, text):
        return self.until(lambda lines: any(text in line for line in lines), f"{text!r} to be shown")

    def press(self, keys):
        os.write(self.master, keys.encode())

    def ends(self):
        """The exit status; the modes are as they were, and the first page is back."""
        end = time.monotonic() + tunnel.WAIT
        while self.child.poll() is None:
            assert time.monotonic() < end, "it does not end"
            self.read()
        while select.select([self.master], [], [], 0)[0]:
            self._take(os.read(self.master, 65536))
        assert termios.tcgetattr(self.slave) == self.before
        assert "?1049" not in self.modes and "?25" in self.modes
        errors = self.child.stderr.read().decode()
        assert not errors, errors
        return self.child.returncode

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self.child.stderr.close()
        os.close(self.master)
        os.close(self.slave)
