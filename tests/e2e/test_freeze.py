"""Programs that stand still for a while, again and again, in the middle of everything: who uses them waits,
and loses nothing.

A gateway, clients and the services behind them are stopped by SIGSTOP for tenths of seconds up to seconds,
which is less than any limit, while users exchange checked content through every door: published ports,
visitors, forwarders that speak SOCKS5 and HTTP, in both forms, over all transports and generations. Nobody
may see an end before all bytes have come, a reset, or a refusal. FULL=1: all of them, for four minutes.
"""

import os
import pathlib
import random
import signal
import socket
import tempfile
import threading
import time

import pytest

import tunnel
from elsewhere import Elsewhere
from test_tunnel_soak import HOW, Mix
from traffic import Content, Fault, User

SECONDS, LONGEST_S, REST_S, USERS = (60, 8, 1.5, 24) if tunnel.FULL else (4, 1, 0.3, 16)
SEED = int(os.environ.get("FREEZE_SEED", "1"))
SHORTEST_S = 0.1
WAYS = HOW if tunnel.FULL else [("tls", "1.5"), ("wss", "1.4.y"), ("http2", "1.4"), ("http2", "1.5")]
WAIT = 180


def up_to(most, chance, least=1):
    """Between the two, each order of magnitude as likely as any other."""
    return least * (most / least) ** chance.random()


class Freezer(threading.Thread):
    """Stops one program after another; `history` is of (from, to, name)."""

    def __init__(self, programs, seed, stop):
        super().__init__(daemon=True)
        self.programs, self.random, self.stop = programs, random.Random(seed), stop
        self.history = []

    def run(self):
        rested = {program: 0 for program in self.programs}
        while not self.stop.wait(self.random.expovariate(20)):
            now = time.monotonic()
            able = [program for program in self.programs if rested[program] < now]
            if able:
                program = self.random.choice(able)
                self._freeze(program)
                rested[program] = time.monotonic() + REST_S

    def _freeze(self, program):
        began = time.time()
        program.signal(signal.SIGSTOP)
        try:
            self.stop.wait(up_to(LONGEST_S, self.random, SHORTEST_S))
        finally:
            program.signal(signal.SIGCONT)
            self.history.append((began, time.time(), program.name))


class Person(threading.Thread):
    """Does one thing after another; `faults` is what went wrong."""

    def __init__(self, mix, places, seed, stop):
        super().__init__(daemon=True)
        self.mix, self.places, self.random, self.stop = mix, places, random.Random(seed), stop
        self.faults, self.done = [], 0

    def run(self):
        while not self.stop.is_set():
            began = time.time()
            name, outcome = self.random.choice([self.pass_content, self.get])()
            self.done += 1
            if outcome:
                self.faults.append(f"{name} from {began:.3f} to {time.time():.3f}: {outcome}")
                self.stop.set()

    def pass_content(self):
        number = self.random.randrange(len(self.mix.doors))
        up, down = (int(up_to(1 << 20, self.random)) for _ in range(2))
        open_door = self.mix.doors[number][0]
        user = User(self.places.service, up, down, dial=lambda port, _: open_door(port), timeout=WAIT)
        user.run()
        outcome = user.outcome
        good = outcome.whole and outcome.end == "eof" and not outcome.fault
        wrong = "" if good else f"{up} up, {down} down, {outcome}, {user.upload_error!r}"
        return self.mix.names[number], wrong

    def get(self):
        name, port = self.random.choice(self.mix.http)
        stream, size = next(User.numbers), int(up_to(1 << 20, self.random))
        origin = f"127.0.0.1:{self.places.origin}"
        request = f"GET http://{origin}/{stream}/{size} HTTP/1.1\r\nHost: {origin}\r\n\r\n"
        try:
            wrong = self._get(port, request.encode(), Content(stream, 1, size))
        except (OSError, Fault) as error:
            wrong = repr(error)
        return name, f"{wrong} for /{stream}/{size}" if wrong else ""

    @staticmethod
    def _get(port, request, content):
        head = b""
        with socket.create_connection(("127.0.0.1", port), WAIT) as sock:
            sock.sendall(request)
            while b"\r\n\r\n" not in head:
                if not (more := sock.recv(65536)):
                    return f"the end after {head!r}"
                head += more
            head, body = head.split(b"\r\n\r\n", 1)
            if not head.startswith(b"HTTP/1.1 200 "):
                return f"{head!r} {body!r}"
            while body or (body := sock.recv(65536)):
                content.check(body)
                body = b""
        return "" if content.whole else f"the end after {content.done} bytes"


def kept(programs, freezers):
    """All logs, and who was frozen when: a folder that stays."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tunnel-freeze-"))
    for program in programs:
        (folder / f"{program.name}.log").write_text("\n".join(program.lines))
    history = sorted(one for freezer in freezers for one in freezer.history)
    lines = [f"{began:.3f} {ended:.3f} {name}" for began, ended, name in history]
    (folder / "frozen").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize("who", ["gateway", "client", "elsewhere", "all"])
def test_programs_stand_still(world, who):
    places = world.add(Elsewhere())
    mix = Mix(world, [places.service], WAYS, "debug")
    groups = {"gateway": [mix.gateway], "client": mix.clients, "elsewhere": [places]}
    stop = threading.Event()
    # One of each group at a time: what waits for several waits for no more than their sum.
    chosen = groups.values() if who == "all" else [groups[who]]
    freezers = [Freezer(group, SEED + number, stop) for number, group in enumerate(chosen)]
    people = [Person(mix, places, SEED * 1000 + number, stop) for number in range(USERS)]
    for thread in [*people, *freezers]:
        thread.start()
    stop.wait(SECONDS)
    stop.set()
    for thread in [*freezers, *people]:
        thread.join(WAIT + 10)
    faults = [fault for person in people for fault in person.faults] + places.told()
    faults += [f"{person.name} is stuck" for person in people if person.is_alive()]
    frozen = [one for freezer in freezers for one in freezer.history]
    print(f"{sum(person.done for person in people)} exchanges, {len(frozen)} freezes")
    programs = [*mix.programs, places]
    assert not faults, f"{faults[:10]}; logs in {kept(programs, freezers)}"
    lost = [line for program in programs for line in program.matching('"link lost"')]
    assert not lost and frozen, (lost, kept(programs, freezers))
