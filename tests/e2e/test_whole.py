"""TLS Tunnel whole: every transport with every generation that our own two ends speak, through everything
that a client offers, and through the loss of either end.
"""

import http.client
import http.server
import socket
import threading

import pytest

import socks5
import tunnel
from acceptor import Acceptor
from traffic import exactly, start_users, transfer

TRANSPORTS = ["tls", "wss", "http2"]
GENERATIONS = ["1.5", "1.4", "1.4.y", "1.0"]
# Forwards may lead to the tests' own services, which are on loopback.
OPEN = {"access": {"deny": ["255.255.255.255"]}}
PAGE = b"<!doctype html><title>origin</title>" + b"x" * 100_000


class Whole:
    """A gateway, who publishes, and who visits and forwards, all by one transport and generation."""

    def __init__(self, world, transport, generation, **gateway):
        how = {"transport": transport, "generation": generation}
        self.world, self.service = world, world.service()
        self.port, self.visited = tunnel.free_port(), tunnel.free_port()
        self.socks, self.http = tunnel.free_port(), tunnel.free_port()
        self.options = {"tls_tunnel": {"allow_forward": True}, "top": OPEN, **gateway}
        self.gateway = world.gateway(**self.options).ready()
        self.owner = world.client(
            self.gateway, name="owner", proxies=[tunnel.proxy("web", self.port, self.service.port)], **how
        ).ready()
        self.guest = None
        if generation != "1.0":  # has neither visitors nor forwarders
            self.guest = world.client(
                self.gateway,
                name="guest",
                visitors=[tunnel.visitor("web", self.port, self.visited)],
                forwarders=[
                    {"name": "s", "type": "socks5", "bind_addr": "127.0.0.1", "bind_port": self.socks},
                    {"name": "h", "type": "http", "bind_addr": "127.0.0.1", "bind_port": self.http},
                ],
                **how,
            ).ready()
            self.guest.wait_listening(self.socks).wait_listening(self.http)

    def ways(self):
        yield self.port, {}
        if self.guest:
            yield self.visited, {}
            yield self.service.port, {"dial": socks5.dialer(self.socks)}

    def transfer(self, up, down):
        for port, options in self.ways():
            transfer(port, up, down, **options)

    def crowd(self, count, size):
        users = [
            user for port, options in self.ways() for user in start_users(count, port, size, size, **options)
        ]
        for user in users:
            user.finish()
        assert not self.service.faults()


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    return request.param


@pytest.fixture
def origin():
    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_way(world, transport, generation):
    whole = Whole(world, transport, generation)
    whole.transfer(3 << 20, 5 << 20)
    whole.crowd(10, 300_000)


def test_a_browser(world, transport, origin):
    """A page by GET through the proxy, by CONNECT, and by POST, many at once."""
    whole = Whole(world, transport, "1.5")

    def fetch(tunnelled, body=None):
        if tunnelled:
            user = http.client.HTTPConnection("127.0.0.1", whole.http, timeout=30)
            user.set_tunnel("127.0.0.1", origin)
            path = "/page"
        else:
            user = http.client.HTTPConnection("127.0.0.1", whole.http, timeout=30)
            path = f"http://127.0.0.1:{origin}/page"
        user.request("POST" if body else "GET", path, body)
        answer = user.getresponse()
        assert answer.status == 200 and answer.read() == (body or PAGE)
        user.close()

    for tunnelled in (False, True):
        fetch(tunnelled)
        fetch(tunnelled, b"y" * 300_000)
    failures = []

    def visit(number):
        try:
            fetch(number % 2 == 1)
        except Exception as failure:  # told by the main thread
            failures.append(failure)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failures


@pytest.mark.parametrize("generation", ["1.5", "1.4"])
def test_gateway_is_killed(world, transport, generation):
    whole = Whole(world, transport, generation)
    whole.transfer(1000, 1 << 20)
    whole.gateway.kill()
    world.gateway(name="again", port=whole.gateway.port, **whole.options).ready()
    tunnel.until(lambda: tunnel.is_listening(whole.port), "the published port to be back")
    tunnel.until(lambda: len(whole.guest.matching('"link up"')) >= 2, "the guest's second link")
    whole.transfer(1000, 1 << 20)


def test_client_is_killed(world, transport):
    whole = Whole(world, transport, "1.5")
    whole.transfer(1000, 1000)
    users = start_users(3, whole.visited, 0, 64 << 20)
    for user in users:
        assert user.moving.wait(tunnel.WAIT)
    whole.owner.kill()
    for user in users:
        user.join(20)
        assert user.outcome.whole or user.outcome.end != "eof", user.outcome
    world.client(
        whole.gateway,
        name="again",
        transport=transport,
        proxies=[tunnel.proxy("web", whole.port, whole.service.port)],
    ).ready()
    whole.transfer(1000, 1 << 20)


def test_generation_is_found(world, transport):
    """Left to itself the client speaks the newest to our gateway."""
    whole = Whole(world, transport, "auto")
    whole.transfer(1000, 1000)
    assert whole.gateway.matching('"logged in".*"peer_is":"tunnel"')


def test_mixed_transports_meet(world):
    """Who publishes by one carrier is visited by another, on two workers."""
    service, gateway = world.service(), world.gateway(top={"cores": 2}).ready()
    ports = {name: tunnel.free_port() for name in TRANSPORTS}
    for name, port in ports.items():
        world.client(
            gateway, name=f"owner-{name}", transport=name, proxies=[tunnel.proxy(name, port, service.port)]
        ).ready()
    for name in TRANSPORTS:
        binds = {other: tunnel.free_port() for other in TRANSPORTS}
        world.client(
            gateway,
            name=f"guest-{name}",
            transport=name,
            visitors=[tunnel.visitor(other, ports[other], bind) for other, bind in binds.items()],
        ).ready()
        for bind in binds.values():
            transfer(bind, 1 << 20, 2 << 20)
    assert not service.faults()


@pytest.mark.skipif(tunnel.SANITIZED, reason="a sanitizer's own memory is not ours")
def test_many_streams_leave_nothing(world, transport):
    """Streams opened and closed over one link: memory stands still. FULL=1: a hundred thousand."""
    rounds, each = (100, 1000) if tunnel.FULL else (6, 500)
    whole = Whole(world, transport, "1.5")

    def echo(sock):
        with sock:
            sock.sendall(exactly(sock, 4))

    acceptor = Acceptor(echo)
    world.closers.append(acceptor.close)
    port = tunnel.free_port()
    owner = world.client(
        whole.gateway,
        name="echo",
        transport=transport,
        proxies=[tunnel.proxy("echo", port, acceptor.port)],
    ).ready()

    def round_trip():
        for _ in range(each):
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.sendall(b"ping")
                assert exactly(sock, 4) == b"ping"

    round_trip()
    ends = whole.gateway, owner
    before = [end.rss_kib() for end in ends]
    for _ in range(rounds):
        round_trip()
    after = [end.rss_kib() for end in ends]
    print(f"{rounds * each} streams over {transport}: gateway and client {before} KiB before, {after} after")
    assert all(now <= was * 1.1 + 512 for was, now in zip(before, after))
