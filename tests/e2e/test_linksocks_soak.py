"""LinkSocks under a mix of everything for a while: content, ends, memory and descriptors afterwards."""

import pytest

import tunnel
from linksocks_programs import Client, Echo, Server
from mixed import Answers, Crowd, Someone, Weights

SECONDS, USERS = (300, 100) if tunnel.FULL else (20, 20)


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


@pytest.fixture
def net(world):
    return Net(world)


def test_everything_for_a_while(world, net):
    places = world.service(), Answers(), Echo()
    world.closers += [place.close for place in places[1:]]

    def make(seed, number, stop):
        return Someone(seed, net.doors[number % len(net.doors)], *places, stop)

    warm = Crowd(make, USERS, seed=1000)
    warm.stop.wait(SECONDS / 10)
    warm.finish()
    weights = Weights(net.programs)
    crowd = Crowd(make, USERS, seed=1)
    crowd.stop.wait(SECONDS)
    crowd.finish()
    print(crowd.done())
    assert not places[0].faults()
    weights.check()
