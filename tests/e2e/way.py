"""A long way: runs the delaying relay of tests/delay between two ends."""

import os
import pathlib
import re
import signal

import pytest

from tunnel import BIN, Process

DELAY = pathlib.Path(os.environ.get("DELAY_BIN", str(pathlib.Path(BIN).parent / "tests" / "delay")))


class Way(Process):
    """From a loopback port of its own to another; every byte takes `delay_ms`. `rate` is in million bytes a
    second, and of each connection and direction `queue_kib` are under way at most."""

    def __init__(self, port_behind, delay_ms, rate=0, queue_kib=0):
        if not os.access(DELAY, os.X_OK):
            pytest.skip(f"{DELAY} is not there: build with -DTESTS=ON, or set DELAY_BIN")
        super().__init__([DELAY, 0, port_behind, delay_ms, rate, queue_kib], "way")
        self.port = int(re.search(r"(\d+)$", self.wait_line("^listening ")).group(1))
        self.address = f"127.0.0.1:{self.port}"

    def shorten(self):
        """No delay from now on; `lengthen` brings it back."""
        self.signal(signal.SIGUSR1)

    def lengthen(self):
        self.signal(signal.SIGUSR2)
