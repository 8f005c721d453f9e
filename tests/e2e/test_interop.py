"""With other people's yamux: hashicorp/yamux (Go) and the yamux crate (Rust), both roles, over TLS alone."""

import socket

import pytest

import tunnel
from peers import Peer
from traffic import Reference, Service, User, end_of, start_users, transfer

KINDS = ["go", "rust"]
SIZES = [0, 1, 16372, 16385, 262143, 262145, 1 << 20]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def checked(port, service, awaits_end=True):
    """The traffic that every combination must carry."""
    for size in SIZES:
        transfer(port, size, size, awaits_end=awaits_end)
    transfer(port, 24 << 20, 24 << 20, awaits_end=awaits_end)
    for user in start_users(60, port, 300_000, 300_000, awaits_end=awaits_end):
        user.finish()
    assert not service.faults()


# --- our gateway, their client


class TheirClient:
    """Their client publishes a checked service through our gateway. `start` waits for the port."""

    def __init__(self, world, kind):
        self.world, self.kind = world, kind
        self.service, self.gateway, self.port = world.service(), world.gateway().ready(), tunnel.free_port()

    def start(self, visitors=(), flags=()):
        self.peer = self.world.add(
            Peer.client(
                self.kind,
                self.gateway.port,
                self.world.certificate,
                [("web", self.port, self.service.port)],
                visitors,
                flags,
            )
        ).running()
        self.gateway.wait_listening(self.port)
        return self


@pytest.fixture
def theirs(world, kind):
    return TheirClient(world, kind)


def test_their_client_publishes(theirs):
    theirs.start()
    checked(theirs.port, theirs.service)
    assert not theirs.peer.matching("^failed"), theirs.peer.log()


def test_their_client_visits_what_ours_publishes(world, kind):
    gateway, _, port, service = world.published()
    bind = tunnel.free_port()
    peer = world.add(
        Peer.client(kind, gateway.port, world.certificate, visitors=[("web", port, bind)])
    ).running()
    peer.wait_listening(bind)
    checked(bind, service)
    unknown = tunnel.free_port()
    other = world.add(
        Peer.client(kind, gateway.port, world.certificate, visitors=[("nobody", port, unknown)])
    ).running()
    other.wait_listening(unknown)
    with socket.create_connection(("127.0.0.1", unknown)) as user:
        assert end_of(user)[0] == b""
    # The Go library drops what it has buffered when a reset follows, so its peer may see no text.
    text = f"Proxy 'nobody' with publish_port {port} not found or client not connected"
    other.wait_line(f"visitor refused: {text}" if kind == "rust" else "visitor refused: ")


def test_our_client_visits_what_theirs_publishes(world, theirs):
    theirs.start()
    bind = tunnel.free_port()
    world.client(theirs.gateway, visitors=[tunnel.visitor("web", theirs.port, bind)]).ready()
    checked(bind, theirs.service)


def test_their_client_visits_itself(theirs):
    bind = tunnel.free_port()
    theirs.start(visitors=[("web", theirs.port, bind)]).peer.wait_listening(bind)
    checked(bind, theirs.service)


def test_hundreds_of_visitors_at_once(world, kind):
    """More than 256 streams without an ACK would stop the Rust library: ours acknowledges at once."""
    gateway, _, port, service = world.published()
    bind = tunnel.free_port()
    peer = world.add(
        Peer.client(kind, gateway.port, world.certificate, visitors=[("web", port, bind)])
    ).running()
    peer.wait_listening(bind)
    for user in start_users(300, bind, 20_000, 20_000):
        user.finish()
    assert not service.faults()


def test_more_users_than_a_stock_client_takes(theirs):
    """600 at once: what is over the limit of a stock session is closed, the session lives."""
    port = theirs.start().port
    crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(600)]
    tunnel.until(lambda: sum(_closed(sock) for sock in crowd) >= 80, "the surplus to be closed")
    for sock in crowd:
        sock.close()
    # The gateway may wait up to 30 s with the end of a user, for an answer that a stock client would drop.
    tunnel.until(lambda: _served(port), "service for new users", 35)
    assert not theirs.peer.matching("^failed"), theirs.peer.log()


def _closed(sock):
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _served(port):
    user = User(port, 10, 10, timeout=2)
    user.start()
    user.join()
    return user.outcome.whole


def test_wrong_key_of_their_client(world, kind):
    gateway = world.gateway().ready()
    trust = ["--ca", world.certificate.cert] if kind == "rust" else []
    peer = world.add(
        Peer(kind, "client", "--gateway", gateway.address, *trust, "--auth-key", "another key of theirs")
    )
    peer.wait_line("^failed: refused -32000 Invalid authentication key")


def test_their_client_leaves_and_comes_back(theirs):
    for _ in range(2):
        theirs.start()
        transfer(theirs.port, 10, 10)
        theirs.peer.kill()
        tunnel.until(lambda: not tunnel.is_listening(theirs.port), "the port to be closed with its client")


# --- what a Go client does wrong


@pytest.mark.parametrize("fault", ["no-heartbeat", "slow", "split"])
def test_strange_go_client_is_served(world, fault):
    service, gateway, port = world.service(), world.gateway().ready(), tunnel.free_port()
    world.add(
        Peer.client(
            "go", gateway.port, world.certificate, [("web", port, service.port)], flags=["--misbehave", fault]
        )
    ).running()
    gateway.wait_listening(port)
    transfer(port, 100_000, 1 << 20)


@pytest.mark.parametrize("fault", ["close-control", "goaway", "silent", "mute"])
def test_failing_go_client_harms_nobody(world, fault):
    gateway, _, port, _ = world.published()
    with Reference(port):
        other = tunnel.free_port()
        peer = world.add(
            Peer.client(
                "go", gateway.port, world.certificate, [("other", other, 1)], flags=["--misbehave", fault]
            )
        )
        if fault == "close-control":
            peer.wait_line("^failed: session ended")
            tunnel.until(lambda: not tunnel.is_listening(other), "the port to be closed")
        elif fault == "goaway":
            peer.running()
        else:
            peer.wait_line(fault)


# --- their gateway, our client


@pytest.fixture
def their_server(world, kind):
    """Our client publishes a checked service through their gateway: peer, client, port, service."""
    service, port = world.service(), tunnel.free_port()
    peer = world.add(Peer.server(kind, world.certificate))
    client = world.client(peer.address, proxies=[tunnel.proxy("web", port, service.port)]).ready()
    return peer, client, port, service


def test_their_gateway_publishes_for_our_client(their_server, kind):
    peer, _, port, service = their_server
    checked(port, service, awaits_end=kind == "go")
    assert peer.matching("authenticate") and len(peer.matching("^running")) == 1


def test_visitors_over_their_gateway(world, their_server):
    peer, _, port, service = their_server
    bind = tunnel.free_port()
    world.client(peer.address, name="visiting", visitors=[tunnel.visitor("web", port, bind)]).ready()
    checked(bind, service)


def test_unknown_visitor_over_their_gateway(world, their_server):
    peer, _, port, _ = their_server
    bind = tunnel.free_port()
    client = world.client(
        peer.address, name="visiting", visitors=[tunnel.visitor("nobody", port, bind)]
    ).ready()
    with socket.create_connection(("127.0.0.1", bind)) as user:
        assert end_of(user)[0] == b""
    client.wait_line("not found|nothing is published")


def test_wrong_key_of_our_client(world, kind):
    peer = world.add(Peer.server(kind, world.certificate))
    client = world.client(
        peer.address, auth_key="another key of ours", proxies=[tunnel.proxy("w", tunnel.free_port(), 1)]
    )
    client.wait_line("(?i)authentication|wrong key")
    peer.wait_line("wrong key")


def test_their_gateway_is_killed(world, their_server):
    """Services behind our client see a reset; the client comes back by itself when the gateway does."""
    peer, client, port, service = their_server
    users = start_users(5, port, 256 << 20, 0)
    tunnel.until(lambda: len(service.outcomes) == 5, "five streams")
    peer.kill()
    tunnel.until(lambda: all(o.end for o in service.outcomes.values()), "ends", 10)
    assert all(o.end == "reset" for o in service.outcomes.values() if not o.whole), service.outcomes
    assert users and not service.faults()


@pytest.mark.parametrize("fault", ["split", "slow"])
def test_strange_go_gateway(world, fault):
    service, port = Service(), tunnel.free_port()
    world.closers.append(service.close)
    peer = world.add(Peer.server("go", world.certificate, "--misbehave", fault))
    world.client(peer.address, proxies=[tunnel.proxy("web", port, service.port)]).ready()
    transfer(port, 1 << 20, 300_000)


def test_go_gateway_rejects(world):
    peer = world.add(Peer.server("go", world.certificate, "--misbehave", "reject"))
    client = world.client(peer.address, proxies=[tunnel.proxy("web", 8080, 1)])
    client.wait_line("All proxies rejected: web:8080|(?i:reject)")
