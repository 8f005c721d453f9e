"""LinkSocks under a mix of everything for a while: content, ends, memory and descriptors afterwards."""

import threading

import pytest

import tunnel
from linksocks_programs import Client, Echo, Server
from mixed import Answers, Someone

SECONDS, USERS = (300, 100) if tunnel.FULL else (20, 20)
# Pools that grew and what was lent to io_uring stay; a leak of a mix such as this is far more.
KEPT_KIB = 8 * 1024


class Net:
    """A server, a provider in clear and one under TLS; users come in at four places."""

    def __init__(self, world):
        self.world = world
        reverse, tls = tunnel.free_port(), {"gateway_tls_cert": str(world.certificate.cert)}
        users = f"127.0.0.1:{reverse}"
        tokens = [
            {"token": "F", "type": "forward"},
            {"token": "R", "type": "reverse", "socks_addr": users, "connector_tokens": ["C"]},
        ]
        self.server = world.add(Server(world.folder, world.engine, world.certificate, tokens)).ready()
        clear, secure = self.server.address, self.server.secure
        parts = [
            self.client(clear, "R", "provider", reverse=True),
            self.client(secure, "R", "provider-tls", reverse=True, plaintext=False, **tls),
            self.client(clear, "F", "forward", threads=2),
            self.client(secure, "F", "forward-tls", plaintext=False, **tls),
            self.client(clear, "C", "connector"),
        ]
        self.server.wait_listening(reverse)
        self.programs = [self.server, *parts]
        self.doors = [reverse, *(part.socks for part in parts[2:])]

    def client(self, address, token, name, **options):
        made = Client(self.world.folder, self.world.engine, address, token, name=name, **options)
        return self.world.add(made).ready()


class Crowd:
    """Users at all doors until `stop`; another seed is another crowd."""

    def __init__(self, net, places, count, seed):
        self.stop = threading.Event()
        self.users = [
            Someone(seed + i, net.doors[i % len(net.doors)], *places, self.stop) for i in range(count)
        ]
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


@pytest.fixture
def net(world):
    return Net(world)


def test_everything_for_a_while(world, net):
    places = world.service(), Answers(), Echo()
    world.closers += [place.close for place in places[1:]]
    warm = Crowd(net, places, USERS, seed=1000)
    warm.stop.wait(SECONDS / 10)
    warm.finish()
    before = [(program.rss_kib(), program.descriptors()) for program in net.programs]
    crowd = Crowd(net, places, USERS, seed=1)
    crowd.stop.wait(SECONDS)
    crowd.finish()
    print(crowd.done())
    assert not places[0].faults()

    def is_at_rest():
        return all(program.descriptors() <= was for program, (_, was) in zip(net.programs, before))

    tunnel.until(is_at_rest, lambda: f"descriptors: {before}, {[p.descriptors() for p in net.programs]}", 60)
    print({program.name: (was, program.rss_kib()) for program, (was, _) in zip(net.programs, before)})
    if tunnel.SANITIZED:
        return  # a sanitizer's own memory is not ours

    def fell():
        return all(p.rss_kib() <= was + was // 4 + KEPT_KIB for p, (was, _) in zip(net.programs, before))

    tunnel.until(fell, lambda: f"KiB, descriptors: {before}; {[p.rss_kib() for p in net.programs]} KiB", 60)
