"""TLS Tunnel over wss and http2 with the crates that the original pins (h2, tungstenite, yamux), both roles.

The Rust peer tells of every byte of an HTTP/2 window that its reader's habit keeps for ever, and after 65,535
of them its session stands still: ours must never let it come to one.
"""

import socket
import threading

import pytest

import http2
import tunnel
import yamux
from nginx import Nginx
from peers import Peer
from test_transports import clear_gateway
from traffic import end_of, start_users, transfer

SHORT_STREAMS = 3000
LEAK = "^leak"


@pytest.fixture(params=["wss", "http2"])
def transport(request):
    return request.param


def short_streams(port, count, awaits_end):
    """So many transfers of a few bytes, one after another on each of twenty threads."""
    faults = []

    def run():
        try:
            for _ in range(count // 20):
                transfer(port, 3, 40, awaits_end=awaits_end)
        except (AssertionError, OSError) as fault:
            faults.append(fault)

    workers = [threading.Thread(target=run, daemon=True) for _ in range(20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not faults, faults[0]


def checked(port, service, peer, awaits_end=True):
    """Hundreds of windows in each direction, a frame of each kind of size, forty streams side by side."""
    for size in (0, 1, 16372, 16385, 262145):
        transfer(port, size, size, awaits_end=awaits_end)
    transfer(port, 24 << 20, 24 << 20, awaits_end=awaits_end)
    for user in start_users(40, port, 300_000, 300_000, awaits_end=awaits_end):
        user.finish()
    assert not service.faults()
    assert not peer.matching(LEAK), peer.log()


def their_client(world, gateway, transport, proxies=(), visitors=(), path="/"):
    flags = ("--transport", transport, "--path", path)
    return world.add(
        Peer.client("rust", gateway.port, world.certificate, proxies, visitors, flags)
    ).running()


# ---- our gateway, their client ----


def test_their_client_publishes(world, transport):
    gateway, service, port = world.gateway().ready(), world.service(), tunnel.free_port()
    peer = their_client(world, gateway, transport, [("web", port, service.port)], path="/some/where?x=1")
    gateway.wait_listening(port)
    checked(port, service, peer)
    short_streams(port, SHORT_STREAMS, True)
    assert not service.faults() and not peer.matching(LEAK), peer.log()


def test_their_client_visits(world, transport):
    """What ours publishes, and what is not there."""
    gateway, _, port, service = world.published(transport=transport)
    bind, unknown = tunnel.free_port(), tunnel.free_port()
    visitors = [("web", port, bind), ("nobody", port, unknown)]
    peer = their_client(world, gateway, transport, visitors=visitors)
    peer.wait_listening(bind).wait_listening(unknown)
    checked(bind, service, peer)
    with socket.create_connection(("127.0.0.1", unknown)) as user:
        assert end_of(user)[0] == b""
    peer.wait_line(f"visitor refused: Proxy 'nobody' with publish_port {port} not found")


def test_our_client_visits_what_theirs_publishes(world, transport):
    """And ours is on the other transport."""
    gateway, service, port, bind = (
        world.gateway().ready(),
        world.service(),
        tunnel.free_port(),
        tunnel.free_port(),
    )
    peer = their_client(world, gateway, transport, [("web", port, service.port)])
    gateway.wait_listening(port)
    ours = "http2" if transport == "wss" else "wss"
    world.client(gateway, transport=ours, visitors=[tunnel.visitor("web", port, bind)]).ready()
    checked(bind, service, peer)


def test_hundreds_of_visitors_at_once(world, transport):
    """More than 256 streams without an ACK would stop the Rust library, and all share one small window."""
    gateway, _, port, service = world.published(transport=transport)
    bind = tunnel.free_port()
    peer = their_client(world, gateway, transport, visitors=[("web", port, bind)])
    peer.wait_listening(bind)
    for user in start_users(300, bind, 20_000, 20_000):
        user.finish()
    assert not service.faults() and not peer.matching(LEAK), peer.log()


def test_wrong_key_of_their_client(world, transport):
    gateway = world.gateway().ready()
    flags = ("--transport", transport, "--auth-key", "another key of theirs")
    peer = world.add(Peer.client("rust", gateway.port, world.certificate, flags=flags))
    peer.wait_line("^failed: refused -32000 Invalid authentication key")


def test_a_transport_that_our_gateway_does_not_offer(world, transport):
    """The original's client says that it was refused, and does not wait for anything."""
    gateway = world.gateway(tls_tunnel={"transports": ["tls"]}).ready()
    peer = world.add(
        Peer.client("rust", gateway.port, world.certificate, flags=("--transport", transport))
    )
    peer.wait_line("^failed: connect: ")


def test_their_client_leaves_and_comes_back(world, transport):
    gateway, service, port = world.gateway().ready(), world.service(), tunnel.free_port()
    for _ in range(2):
        peer = their_client(world, gateway, transport, [("web", port, service.port)])
        gateway.wait_listening(port)
        transfer(port, 100_000, 100_000)
        peer.kill()
        tunnel.until(lambda: not tunnel.is_listening(port), "the port to be closed with its client")


def test_their_client_through_nginx(world):
    """It does TLS with nginx, which takes the path off and speaks to our gateway in clear."""
    gateway = clear_gateway(world)
    front = world.add(Nginx(world.folder, world.certificate, gateway.port)).ready()
    service, port = world.service(), tunnel.free_port()
    peer = their_client(world, front, "wss", [("web", port, service.port)], path="/tunnel/")
    gateway.wait_listening(port)
    checked(port, service, peer)


# ---- their gateway, our client ----


def their_server(world, transport, *flags, **client):
    """Our client publishes a checked service through their gateway: peer, client, port, service."""
    service, port = world.service(), tunnel.free_port()
    peer = world.add(Peer.server("rust", world.certificate, "--transport", transport, *flags))
    client = world.client(
        peer.address, transport=transport, proxies=[tunnel.proxy("web", port, service.port)], **client
    ).ready()
    return peer, client, port, service


def test_their_gateway_publishes_for_our_client(world, transport):
    peer, _, port, service = their_server(world, transport)
    checked(port, service, peer, awaits_end=False)
    short_streams(port, SHORT_STREAMS, False)
    assert not service.faults() and not peer.matching(LEAK), peer.log()
    assert len(peer.matching("^running")) == 1


def test_visitors_over_their_gateway(world, transport):
    peer, _, port, service = their_server(world, transport)
    bind = tunnel.free_port()
    visitors = [tunnel.visitor("web", port, bind)]
    world.client(peer.address, name="visiting", transport=transport, visitors=visitors).ready()
    checked(bind, service, peer)


def test_their_gateway_in_clear(world, transport):
    """As it stands behind a proxy: HTTP/1.1 or HTTP/2 with its very first byte."""
    peer, _, port, service = their_server(
        world, transport, "--behind-proxy", "true", plaintext=True, gateway_tls_cert=None
    )
    transfer(port, 3 << 20, 3 << 20, awaits_end=False)
    assert not service.faults() and not peer.matching(LEAK), peer.log()


def test_wrong_key_of_our_client(world, transport):
    peer = world.add(Peer.server("rust", world.certificate, "--transport", transport))
    proxies = [tunnel.proxy("w", tunnel.free_port(), 1)]
    client = world.client(
        peer.address, transport=transport, auth_key="another key of ours", proxies=proxies
    )
    client.wait_line("(?i)authentication|wrong key")
    peer.wait_line("wrong key")


def test_their_gateway_is_killed_and_comes_back(world, transport):
    """Services see a reset; our client publishes again with the gateway that takes the address."""
    peer, client, port, service = their_server(world, transport)
    users = start_users(5, port, 256 << 20, 0)
    tunnel.until(lambda: len(service.outcomes) == 5, "five streams")
    peer.kill()
    tunnel.until(lambda: all(o.end for o in service.outcomes.values()), "ends", 10)
    assert all(o.end == "reset" for o in service.outcomes.values() if not o.whole), service.outcomes
    flags = ("--transport", transport, "--listen", peer.address)
    again = world.add(Peer.server("rust", world.certificate, *flags))
    again.wait_line("^running")
    again.wait_listening(port)
    transfer(port, 100_000, 100_000, awaits_end=False)
    assert users and not service.faults()


def test_the_peer_leaks_as_the_original_does(world):
    """A sender that merges a header with what follows loses the window: the peer is a witness."""
    peer = world.add(Peer.server("rust", world.certificate, "--transport", "http2"))
    link = http2.Link(http2.dial_socket(peer.port), True)
    pings = b"".join(yamux.frame(yamux.PING, yamux.ACK, 0, number) for number in range(1000))
    link.sock.sendall(http2.frame(http2.DATA, 0, 1, pings))
    peer.wait_line(f"^leak: {len(pings) - 12} bytes")
    link.close()
