"""TLS Tunnel under a mix of everything for a while: all transports and generations, published ports, visitors
and forwarders, clients that are killed and come back, and somebody who asks all the time how it is going.

Content, ends, counters, logs, memory and descriptors are checked. Twenty seconds; four minutes with FULL=1.
"""

import itertools
import random
import socket
import subprocess
import threading

import tunnel
from management import Management
from mixed import Answers, Crowd, Someone, Weights
from socks5 import connect
from test_forwarders_http import connect as connect_http
from traffic import User, transfer

SECONDS, USERS, VICTIMS = (240, 60, 6) if tunnel.FULL else (20, 30, 3)
HOW = list(itertools.product(["tls", "wss", "http2"], ["1.5", "1.4", "1.4.y"]))
# Forwards may lead to the tests' own services, which are on loopback.
OPEN = {"access": {"deny": ["255.255.255.255"]}}
ERRORS = r'"level":"error"'


class Guest(Someone):
    """Comes in by a door: a function from the service's port to a socket."""

    def __init__(self, seed, door, service, answers, stop):
        super().__init__(seed, None, service, answers, None, stop)
        self.door, promises_ends = door
        if not promises_ends:  # an older generation: no half-close, and a reset may read as an end
            self.things = [self.pass_content, self.leave]
        elif self.things == [self.send_datagrams]:
            self.things = [self.half_close]

    def open(self, port):
        return self.door(port)


class Mix:
    """A gateway, and for each transport and generation one who publishes, visits and forwards."""

    def __init__(self, world, services, ways=HOW, level="info"):
        self.world, self.services, self.ways = world, services, ways
        self.log = {"log": {"level": level, "format": "json"}}
        self.management = Management()
        top = {**OPEN, **self.management.top, **self.log, "cores": 2}
        self.gateway = world.gateway(tls_tunnel={"allow_forward": True}, top=top).ready()
        self.doors, self.names, self.http, self.clients = [], [], [], []
        self.published = [[tunnel.free_port() for _ in services] for _ in ways]
        for number, how in enumerate(ways):
            self._publish(number, *how)
        for number, how in enumerate(ways):
            self._visit(number, *how)
        self.programs = [self.gateway, *self.clients]

    def _add(self, role, transport, generation, **options):
        name = f"{role}-{transport}-{generation}"
        client = self.world.client(
            self.gateway, name=name, transport=transport, generation=generation, top=self.log, **options
        )
        self.clients.append(client)
        return client

    def _door(self, name, open, promises_ends):
        self.doors.append((open, promises_ends))
        self.names.append(name)

    def _port_door(self, name, ports, promises_ends):
        ways = dict(zip(self.services, ports))
        self._door(
            name, lambda port: socket.create_connection(("127.0.0.1", ways[port]), 120), promises_ends
        )

    def _publish(self, number, transport, generation):
        ports = self.published[number]
        proxies = [
            tunnel.proxy(f"{number}-{at}", port, local)
            for at, (port, local) in enumerate(zip(ports, self.services))
        ]
        self._add("owner", transport, generation, proxies=proxies).ready()
        self._port_door(f"published {transport} {generation}", ports, generation == "1.5")

    def _visit(self, number, transport, generation):
        """What the next one publishes; a user of forwarders needs nobody."""
        other = (number + 1) % len(self.ways)
        binds = [tunnel.free_port() for _ in self.services]
        visitors = [
            tunnel.visitor(f"{other}-{at}", port, bind)
            for at, (port, bind) in enumerate(zip(self.published[other], binds))
        ]
        socks, http = tunnel.free_port(), tunnel.free_port()
        forwarders = [
            {"name": "s", "type": "socks5", "bind_addr": "127.0.0.1", "bind_port": socks},
            {"name": "h", "type": "http", "bind_addr": "127.0.0.1", "bind_port": http},
        ]
        guest = self._add("guest", transport, generation, visitors=visitors, forwarders=forwarders)
        guest.ready().wait_listening(socks).wait_listening(http)
        whole, how = generation == "1.5", f"{transport} {generation}"
        self._port_door(f"visited {how}", binds, whole and self.ways[other][1] == "1.5")
        self._door(f"socks5 {how}", lambda port: connect(socks, port, timeout=120), whole)
        self._door(f"CONNECT {how}", lambda port: connect_http(http, port, timeout=120), whole)
        self.http.append((f"GET {how}", http))


class Victim(threading.Thread):
    """A client that is killed and started again in another way, and those who use it: they may lose their
    connection, but never see what was not sent, nor a part as the whole."""

    def __init__(self, mix, seed, service, stop):
        super().__init__(daemon=True)
        self.mix, self.random, self.service, self.stop = mix, random.Random(seed), service, stop
        self.name, self.port = f"victim-{seed}", tunnel.free_port()
        self.lives, self.whole, self.failure, self.clients = 0, 0, None, []

    def run(self):
        try:
            while not self.stop.is_set():
                self._live()
        except Exception as error:  # told by the test
            self.failure = f"{self.name}: {error!r}"
            self.stop.set()

    def _live(self):
        transport, generation = self.random.choice(HOW)
        client = self.mix.world.client(
            self.mix.gateway,
            name=f"{self.name}-{self.lives}",
            transport=transport,
            generation=generation,
            proxies=[tunnel.proxy(self.name, self.port, self.service.port)],
        )
        self.clients.append(client)
        client.wait_line('"published".*"at"', 60)
        transfer(self.port, 1000, 1000)
        users = [User(self.port, *(self.random.choice([1000, 32 << 20]) for _ in range(2))) for _ in range(3)]
        for user in users:
            user.start()
        users[0].moving.wait(10)
        self.random.choice([client.kill, client.stop])()
        for user in users:
            user.join(120)
            outcome = user.outcome
            assert not user.is_alive() and outcome.fault is None, outcome
            clean = outcome.end == "eof" and not outcome.whole and generation == "1.5"
            assert not clean or outcome.received == 0, (outcome, transport, generation)
            self.whole += outcome.whole
        self.lives += 1


class Reader(threading.Thread):
    """Asks every second, and sees that what is counted only grows."""

    def __init__(self, management, stop):
        super().__init__(daemon=True)
        self.management, self.stop = management, stop
        self.turns, self.failure, self.totals = 0, None, {}

    def run(self):
        try:
            while not self.stop.wait(1):
                self._ask()
                self.turns += 1
        except Exception as error:  # told by the test
            self.failure = repr(error)

    def _ask(self):
        for row in self.management.rows("/stats"):
            counts = [row[key] for key in ("total_connections", "bytes_sent", "bytes_received")]
            assert 0 <= row["active_connections"] <= row["total_connections"] and min(counts) >= 0, row
            if row["name"].startswith("victim"):  # begins again with each life
                continue
            before = self.totals.get(row["name"], [0, 0, 0])
            assert all(now >= was for now, was in zip(counts, before)), (row, before)
            self.totals[row["name"]] = counts
        assert self.management.links() and self.management.rows("/api/v1/workers")
        self.management.channels()
        if self.turns % 5 == 0:
            url = f"http://{self.management.address}"
            told = subprocess.run(
                [tunnel.BIN, "status", "--url", url], capture_output=True, text=True, timeout=60
            )
            assert told.returncode == 0 and "NAME" in told.stdout.upper(), told


def churn(mix, places, seconds, seed):
    """Everybody at once for so long. Gives what was done."""

    def make(seed, number, stop):
        return Guest(seed, mix.doors[number % len(mix.doors)], *places, stop)

    crowd = Crowd(make, USERS, seed)
    victims = [Victim(mix, seed + number, places[0], crowd.stop) for number in range(VICTIMS)]
    reader = Reader(mix.management, crowd.stop)
    for one in [*victims, reader]:
        one.start()
    crowd.stop.wait(seconds)
    crowd.stop.set()
    for one in [*victims, reader]:
        one.join(180)
        assert not one.is_alive() and one.failure is None, one.failure
    crowd.finish()
    logs = [mix.gateway, *mix.clients, *(client for victim in victims for client in victim.clients)]
    errors = [line for program in logs for line in program.matching(ERRORS)]
    assert not errors, errors[:10]
    lives = sum(victim.lives for victim in victims)
    return {**crowd.done(), "lives": lives, "questions": reader.turns}


def test_everything_for_a_while(world):
    places = world.service(), Answers()
    world.closers.append(places[1].close)
    mix = Mix(world, [place.port for place in places])
    churn(mix, places, SECONDS / 10, 1000)

    def is_at_rest():
        rows = mix.management.rows("/stats")
        return (
            not mix.management.channels()
            and len(mix.management.links()) == len(mix.clients)
            and all(row["active_connections"] == 0 for row in rows)
        )

    def left():
        return f"rest: {mix.management.channels()}, {mix.management.links()}, {mix.management.rows('/stats')}"

    tunnel.until(is_at_rest, left, 60)
    weights = Weights(mix.programs)
    print(churn(mix, places, SECONDS, 1))
    assert not places[0].faults()
    tunnel.until(is_at_rest, left, 60)
    weights.check()
