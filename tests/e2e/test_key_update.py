"""KeyUpdates while bytes flow, from either side and in both directions: not a byte is harmed."""

import tunnel
from openssl import Between
from peers import Peer
from traffic import start_users, transfer

BULK = (1 << 30) if tunnel.FULL else (64 << 20)
RECORDS = 300  # sealed with one key of ours
OFTEN = {"env": {"TUNNEL_KEY_UPDATE": str(RECORDS)}}


def between(world, options=None):
    """Our two ends with OpenSSL in the middle: it, the published port, its service."""
    service, gateway = world.service(), world.gateway(options=options).ready()
    middle = Between(world.certificate, gateway.port)
    world.closers.insert(0, middle.close)
    port = tunnel.free_port()
    world.client(middle.address, proxies=[tunnel.proxy("web", port, service.port)], options=options).ready()
    return middle, port, service


def carry(port, service):
    transfer(port, BULK, 0)
    transfer(port, 0, BULK)
    for user in start_users(4, port, BULK // 16, BULK // 16):
        user.finish()
    assert not service.faults()


def test_openssl_updates(world):
    """OpenSSL updates at random moments, towards either end, and asks for an answer half of the time."""
    middle, port, service = between(world)
    carry(port, service)
    assert middle.failure is None
    for end in middle.ends:
        assert end.updates_said > BULK / (1 << 20) / 32 and end.updates_heard > 0


def test_both_sides_update(world):
    middle, port, service = between(world, OFTEN)
    carry(port, service)
    assert middle.failure is None
    for end in middle.ends:
        assert end.updates_heard > BULK / 16384 / RECORDS / 2 and end.updates_said > 0


def test_our_ends_update(world):
    service, gateway = world.service(), world.gateway(options=OFTEN).ready()
    port = tunnel.free_port()
    world.client(gateway, proxies=[tunnel.proxy("web", port, service.port)], options=OFTEN).ready()
    carry(port, service)


def test_go_client_answers_updates(world):
    service, gateway, port = world.service(), world.gateway(options=OFTEN).ready(), tunnel.free_port()
    peer = Peer.client("go", gateway.port, world.certificate, [("web", port, service.port)])
    world.add(peer).running()
    gateway.wait_listening(port)
    carry(port, service)
    assert not peer.matching("^failed"), peer.log()


def test_go_gateway_answers_updates(world):
    service, port = world.service(), tunnel.free_port()
    peer = world.add(Peer.server("go", world.certificate))
    world.client(peer.address, proxies=[tunnel.proxy("web", port, service.port)], options=OFTEN).ready()
    carry(port, service)
    assert len(peer.matching("^running")) == 1, peer.log()


def test_updates_all_the_time(world):
    """Rarer than an answer to each record, of which too many in a row would be a fault of the peer."""
    often = {"env": {"TUNNEL_KEY_UPDATE": "16"}}
    service, gateway = world.service(), world.gateway(options=often).ready()
    port = tunnel.free_port()
    world.client(gateway, proxies=[tunnel.proxy("web", port, service.port)], options=often).ready()
    transfer(port, 16 << 20, 16 << 20)
