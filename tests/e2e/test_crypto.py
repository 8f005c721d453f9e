"""Without ipsec-mb, and with TLS 1.2: the same traffic, and the log says which way it took."""

import pytest

import tunnel
from cutter import Cutter
from openssl import Between
from peers import Peer
from traffic import start_users, transfer

LIBRARY = {"env": {"TUNNEL_CRYPTO": "library"}}
CHACHA = "TLSv1.3 TLS13-CHACHA20-POLY1305-SHA256 by library"
AES = "TLSv1.3 TLS13-AES128-GCM-SHA256"
# Options of the gateway and of its clients, and what each says of the link. A server's wish decides.
WAYS = {
    "chacha20": (LIBRARY, LIBRARY, CHACHA, CHACHA),
    "chacha20 for a fast client": (LIBRARY, None, CHACHA, CHACHA),
    "aes for a slow client": (None, LIBRARY, f"{AES} by record", f"{AES} by library"),
}


def is_fast(world):
    """Whether ipsec-mb is built in and works here: the gateway's first line says so."""
    return bool(world.processes[0].matching("AES-GCM by ipsec-mb"))


@pytest.fixture(params=WAYS)
def way(request, world):
    """Two clients and a gateway: the gateway, a published port, and a maker of clients."""
    gateway_options, client_options, said, heard = WAYS[request.param]
    gateway = world.gateway(options=gateway_options).ready()
    gateway.wait_line('"engine"')
    if gateway_options is None and not is_fast(world):
        pytest.skip("ipsec-mb is not built in, or this CPU does not do AES")

    def client(address, **options):
        return world.client(address, options=client_options, **options)

    yield gateway, client
    assert not [p for p in world.processes if p.name == "gateway" and not p.matching(said)], gateway.log()
    assert not [p for p in world.processes if "client" in p.name and not p.matching(heard)], heard


def test_published(world, way):
    gateway, client = way
    service, port = world.service(), tunnel.free_port()
    client(gateway, proxies=[tunnel.proxy("web", port, service.port)]).ready()
    transfer(port, 16 << 20, 16 << 20)
    for user in start_users(20, port, 300_001, 300_001):
        user.finish()
    assert not service.faults()


def test_visitor(world, way):
    gateway, client = way
    service, port, bind = world.service(), tunnel.free_port(), tunnel.free_port()
    client(gateway, proxies=[tunnel.proxy("web", port, service.port)]).ready()
    client(gateway, name="visiting client", visitors=[tunnel.visitor("web", port, bind)]).ready()
    transfer(bind, 8 << 20, 8 << 20)
    for user in start_users(20, bind, 100_001, 100_001):
        user.finish()
    assert not service.faults()


@pytest.mark.parametrize("how", ["reset", "end"])
def test_cut(world, way, how):
    gateway, client = way
    service, port = world.service(), tunnel.free_port()
    cutter = Cutter(gateway.port)
    world.closers.append(cutter.close)
    client(cutter.address, proxies=[tunnel.proxy("web", port, service.port)]).ready()
    users = start_users(2, port, 0, 256 << 20) + start_users(2, port, 256 << 20, 1)
    for user in users[:2]:
        assert user.moving.wait(tunnel.WAIT)
    tunnel.until(lambda: len(service.outcomes) == 4, "four streams at the service")
    cutter.cut_now(how)
    outcomes = [u.outcome for u in users] + list(service.outcomes.values())
    tunnel.until(lambda: all(o.end or o.fault for o in outcomes), lambda: f"ends: {outcomes}")
    for outcome in outcomes:
        assert outcome.fault is None and (outcome.whole or outcome.end == "reset"), outcome
    tunnel.until(lambda: len(gateway.matching("logged in")) == 2, gateway.log)
    gateway.wait_listening(port)
    transfer(port, 1000, 1000)


# --- TLS 1.2, where a gateway allows it


@pytest.fixture(params=["record", "library"])
def old(request, world):
    """A gateway that takes TLS 1.2: it, and the cipher that it will choose."""
    gateway = world.gateway(tls_min_version="1.2", options=LIBRARY if request.param == "library" else None)
    gateway.ready().wait_line('"engine"')
    yield gateway
    slow = request.param == "library" or not is_fast(world)
    cipher = "ECDHE-ECDSA-CHACHA20-POLY1305" if slow else "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert gateway.matching(f"TLSv1.2 {cipher} by library"), gateway.log()


def test_tls_1_2_of_openssl(world, old):
    """Between our ends: TLS 1.3 towards our client, which takes nothing else, 1.2 towards the gateway."""
    middle = Between(world.certificate, old.port, tls12=True)
    world.closers.insert(0, middle.close)
    service, port = world.service(), tunnel.free_port()
    world.client(middle.address, proxies=[tunnel.proxy("web", port, service.port)]).ready()
    transfer(port, 16 << 20, 16 << 20)
    for user in start_users(20, port, 300_001, 300_001):
        user.finish()
    assert not service.faults() and middle.failure is None


def go(world, old, **ends):
    return world.add(Peer.client("go", old.port, world.certificate, flags=["--tls12"], **ends)).running()


def test_tls_1_2_of_go(world, old):
    service, port, bind = world.service(), tunnel.free_port(), tunnel.free_port()
    peer = go(world, old, proxies=[("web", port, service.port)], visitors=[("web", port, bind)])
    old.wait_listening(port)
    peer.wait_listening(bind)
    for way in (port, bind):
        transfer(way, 8 << 20, 8 << 20)
        for user in start_users(20, way, 100_001, 100_001):
            user.finish()
    assert not service.faults()


def test_tls_1_2_that_is_cut(world, old):
    """A TCP end without a close_notify is a truncation here, too."""
    cutter = Cutter(old.port)
    middle = Between(world.certificate, cutter.port, tls12=True)
    world.closers[:0] = [middle.close, cutter.close]
    service, port = world.service(), tunnel.free_port()
    world.client(middle.address, proxies=[tunnel.proxy("web", port, service.port)]).ready()
    user = start_users(1, port, 256 << 20, 1)[0]
    tunnel.until(lambda: service.outcomes, "the stream at the service")
    cutter.cut_now("end")
    user.join(tunnel.WAIT)
    assert user.outcome.fault is None and user.outcome.end == "reset", user.outcome
