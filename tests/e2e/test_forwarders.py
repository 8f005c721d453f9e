"""Forwarders: local SOCKS5 ports whose targets leave at the gateway, here, or not at all."""

import http.server
import shutil
import socket
import struct
import subprocess
import threading

import pytest

import socks5
import tunnel
import yamux
from forwarding import OPEN, forwarder, forwarding
from socks5 import Refused
from traffic import end_of, exactly, start_users, transfer
from yamux import DATA, FIN, SYN, Server, dial

FORBIDDEN, UNREACHABLE, REFUSED, NO_COMMAND = 2, 4, 5, 7
OFF = b"Forward feature is not enabled on server"


def refusal(port, target_port, host="127.0.0.1"):
    """The byte that says no."""
    with pytest.raises(Refused) as refused:
        socks5.connect(port, target_port, host).close()
    return refused.value.reply


# ---- through the gateway ----


def test_content_both_ways(world):
    service = world.service()
    _, client, port = forwarding(world)
    through = socks5.dialer(port)
    transfer(service.port, 16 << 20, 16 << 20, dial=through)
    for user in start_users(30, service.port, 1 << 20, 1 << 20, dial=through):
        user.finish()
    assert not service.faults() and service.accepted == 31
    assert not client.matching('"forward refused"'), client.log()


def test_name_is_resolved_at_the_gateway(world):
    service = world.service()
    _, _, port = forwarding(world)
    transfer(service.port, 1000, 1 << 20, dial=socks5.dialer(port, "localhost"))


class Page(http.server.BaseHTTPRequestHandler):
    body = b"a page\n" * 10000

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def page(world):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    world.closers += [server.shutdown, server.server_close]
    return server.server_address[1]


@pytest.mark.parametrize("option", ["--socks5", "--socks5-hostname"])
def test_curl(world, page, option):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    _, _, port = forwarding(world)
    found = subprocess.run(
        ["curl", "-s", "-m", "20", option, f"127.0.0.1:{port}", f"http://localhost:{page}/"],
        capture_output=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert found.returncode == 0 and found.stdout == Page.body, found


def test_half_close(world):
    """The user's end reaches the target, and the answer still comes."""
    _, _, port = forwarding(world)
    with socket.create_server(("127.0.0.1", 0)) as target:
        with socks5.connect(port, target.getsockname()[1]) as user:
            there, _ = target.accept()
            with there:
                user.sendall(b"all I have")
                user.shutdown(socket.SHUT_WR)
                assert end_of(there) == (b"all I have", "eof")
                there.sendall(b"answer")
                there.shutdown(socket.SHUT_WR)
                assert end_of(user) == (b"answer", "eof")


def test_success_is_told_after_the_connect(world):
    """Nobody listens there: the user hears that and no success."""
    gateway, client, port = forwarding(world)
    assert refusal(port, tunnel.free_port()) == REFUSED
    client.wait_line('"forward refused".*connection refused')
    gateway.wait_line('"forward refused".*connection refused')


def test_what_the_dialogue_takes(world):
    """No method is needed, as with the original; CONNECT alone is served."""
    service = world.service()
    _, _, port = forwarding(world)
    with socket.create_connection(("127.0.0.1", port)) as user:
        user.sendall(b"\x05\x01\x02")
        assert exactly(user, 2) == b"\x05\x00"
        socks5.ask(user, socks5.CONNECT, "127.0.0.1", service.port)
    for command in (socks5.BIND, socks5.ASSOCIATE):
        with socket.create_connection(("127.0.0.1", port)) as user:
            socks5.greet(user)
            with pytest.raises(Refused) as refused:
                socks5.ask(user, command, "127.0.0.1", service.port)
            assert refused.value.reply == NO_COMMAND


def test_target_too_long(world):
    """More than a stream's name can say: refused here, and the link stays."""
    service = world.service()
    gateway, client, port = forwarding(world)
    name = "a." * 121 + "bc"
    assert refusal(port, 443, name) in (UNREACHABLE, 1)
    client.wait_line("takes no target that long")
    transfer(service.port, 0, 1000, dial=socks5.dialer(port))


@pytest.mark.parametrize("transport", ["tls", "wss", "http2"])
@pytest.mark.parametrize("generation", ["1.5", "1.4"])
def test_over_all_transports_and_generations(world, transport, generation):
    service = world.service()
    _, _, port = forwarding(world, transport=transport, generation=generation)
    transfer(service.port, 4 << 20, 4 << 20, dial=socks5.dialer(port))
    for user in start_users(10, service.port, 1 << 20, 1 << 20, dial=socks5.dialer(port)):
        user.finish()
    assert refusal(port, tunnel.free_port()) == REFUSED


# ---- what may be reached ----

PRIVATE = ["127.0.0.1", "127.9.9.9", "10.0.0.1", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1",
           "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "fc00::1", "fe80::1", "64:ff9b::7f00:1"]  # fmt: skip


def test_private_targets_are_denied_by_default(world):
    service = world.service()
    gateway, client, port = forwarding(world, access=None)
    for host in PRIVATE:
        assert refusal(port, service.port, host) == FORBIDDEN, host
    assert service.accepted == 0
    gateway.wait_line('"forward refused"')
    client.wait_line('"forward refused".*not allowed')


def test_name_that_leads_to_a_private_address(world):
    service = world.service()
    _, _, port = forwarding(world, access=None)
    assert refusal(port, service.port, "localhost") == FORBIDDEN
    assert service.accepted == 0


def test_access_rules_of_the_file(world):
    allowed, denied = world.service(), world.service()
    rules = {"access": {"allow": [f"127.0.0.1:{allowed.port}"], "deny": []}}
    _, _, port = forwarding(world, access=rules)
    transfer(allowed.port, 1000, 1000, dial=socks5.dialer(port))
    assert refusal(port, denied.port) == FORBIDDEN
    assert denied.accepted == 0


def test_forwarding_is_off(world):
    service = world.service()
    gateway, _, port = forwarding(world, allow=False)
    assert refusal(port, service.port) == FORBIDDEN
    assert service.accepted == 0
    gateway.wait_line("allow_forward")


def test_our_own_listeners_are_no_targets(world):
    gateway, _, port = forwarding(world)
    assert refusal(port, gateway.port) == FORBIDDEN
    assert refusal(port, gateway.port, "localhost") == FORBIDDEN
    assert refusal(port, gateway.port, "::ffff:127.0.0.1") == FORBIDDEN


# ---- routing ----


def test_direct_targets_do_not_ask_the_gateway(world):
    """The gateway denies everything private: what arrives has left here."""
    service = world.service()
    routing = {"direct_ips": ["127.0.0.0/8"], "direct_domains": ["*.direct.test"]}
    gateway, client, port = forwarding(world, access=None, routing=routing)
    transfer(service.port, 1 << 20, 1 << 20, dial=socks5.dialer(port))
    transfer(service.port, 1 << 20, 1 << 20, dial=socks5.dialer(port, "localhost"))  # looked up
    assert refusal(port, tunnel.free_port()) == REFUSED
    assert refusal(port, port) == FORBIDDEN, "a forwarder reached itself"
    assert not gateway.matching('"forward refused"'), gateway.log()


def test_direct_domains_come_first(world):
    service = world.service()
    routing = {"direct_domains": ["LocalHost"], "proxy_domains": ["localhost"], "default_strategy": "reject"}
    gateway, client, port = forwarding(world, access=None, routing=routing)
    transfer(service.port, 1000, 1 << 20, dial=socks5.dialer(port, "localhost"))
    assert refusal(port, service.port) == FORBIDDEN
    client.wait_line("rejected by routing")
    assert not gateway.matching('"forward refused"'), gateway.log()


def test_proxy_rules_before_the_default(world):
    """Loopback goes to the gateway, by address and by name; everything else nowhere."""
    service = world.service()
    routing = {"proxy_ips": ["127.0.0.0/8"], "default_strategy": "reject"}
    gateway, client, port = forwarding(world, routing=routing)
    transfer(service.port, 1000, 1 << 20, dial=socks5.dialer(port))
    assert refusal(port, 80, "192.0.2.1") == FORBIDDEN
    client.wait_line("rejected by routing")
    gateway.kill()
    client.wait_line("link lost")
    assert refusal(port, service.port) in (1, UNREACHABLE), "it did not go to the gateway"


def test_direct_by_default(world):
    service = world.service()
    routing = {"proxy_domains": ["localhost"], "default_strategy": "direct"}
    gateway, _, port = forwarding(world, access=None, routing=routing)
    transfer(service.port, 1000, 1 << 20, dial=socks5.dialer(port))
    assert refusal(port, service.port, "localhost") == FORBIDDEN
    gateway.wait_line('"forward refused"')


# ---- several links, ends, limits ----


def test_over_several_links(world):
    service = world.service()
    cores = {"cores": 2}
    gateway, client, port = forwarding(world, gateway_top=cores, top=cores, links=2)
    tunnel.until(lambda: len(client.matching('"link up"')) == 2, client.log)
    through = socks5.dialer(port)
    for user in start_users(40, service.port, 1 << 20, 1 << 20, dial=through):
        user.finish()
    for user in start_users(10, service.port, 1000, 1 << 20, dial=socks5.dialer(port, "localhost")):
        user.finish()
    assert not service.faults()


def test_gateway_is_killed(world):
    """Users in the middle hear of it; those who come afterwards too; and it works again with a new one."""
    service = world.service()
    gateway, client, port = forwarding(world)
    users = start_users(5, service.port, 0, 1 << 30, dial=socks5.dialer(port))
    for user in users:
        assert user.moving.wait(tunnel.WAIT)
    gateway.kill()
    for user in users:
        user.join(tunnel.WAIT)
        assert not user.is_alive() and user.outcome.end in ("eof", "reset") and not user.outcome.whole
        assert user.outcome.fault is None
    client.wait_line("link lost")
    assert refusal(port, service.port) in (1, UNREACHABLE)
    seen = len(client.lines)
    again = world.gateway(port=gateway.port, name="again", top=OPEN, tls_tunnel={"allow_forward": True})
    again.ready()
    client.wait_line('"link up"', since=seen, timeout=30)
    transfer(service.port, 1000, 1 << 20, dial=socks5.dialer(port))


def fill(port, client):
    """As many connections as it takes, of which the last is served; one more is not."""
    users = [socket.create_connection(("127.0.0.1", port)) for _ in range(1000)]
    socks5.greet(users[-1])  # so all have been counted
    with socket.create_connection(("127.0.0.1", port)) as late:
        assert end_of(late)[0] == b""
    client.wait_line("too many connections")
    return users


def test_a_thousand_connections_and_no_more(world):
    service = world.service()
    _, client, port = forwarding(world)
    users = fill(port, client)
    users.pop().close()

    def room():
        try:
            return socks5.connect(port, service.port)
        except (Refused, OSError):
            return None

    tunnel.until(room, client.log).close()
    for user in users:
        user.close()


def test_users_who_have_moved_are_let_go(world):
    """They were counted on two workers, and are not any more."""
    service = world.service()
    cores = {"cores": 2}
    gateway, client, port = forwarding(world, gateway_top=cores, top=cores, links=2)
    tunnel.until(lambda: len(client.matching('"link up"')) == 2, client.log)
    idle = client.descriptors()
    for _ in range(4):
        for user in start_users(30, service.port, 0, 100000, dial=socks5.dialer(port)):
            user.finish()
    tunnel.until(lambda: client.descriptors() <= idle, lambda: f"users to be gone\n{client.log()}")
    for user in fill(port, client):
        user.close()


def test_port_is_busy_at_first(world):
    service = world.service()
    gateway = world.gateway(top=OPEN, tls_tunnel={"allow_forward": True}).ready()
    port = tunnel.free_port()
    with socket.create_server(("127.0.0.1", port)):
        client = world.client(gateway, forwarders=[forwarder(port)])
        client.wait_line("cannot listen for a forwarder")
    client.wait_line('"forwarding"', timeout=30)
    transfer(service.port, 1000, 1000, dial=socks5.dialer(port))


# ---- the wire ----


def named(target):
    name = b"@forward:" + target.encode()
    return struct.pack(">H", len(name)) + name + b"\0\0"


def refused_with(session, target):
    """The text of a refusal; the stream is reset behind it."""
    number = session.open(named(target))
    stream = session.stream(number)
    assert session.pump(lambda: stream.rst)
    assert stream.received[0] == 0
    assert struct.unpack(">H", stream.received[1:3])[0] == len(stream.received) - 3
    return bytes(stream.received[3:])


@pytest.fixture
def make_gateway(world):
    def make(access=OPEN, allow=True):
        return world.gateway(top=access or {}, tls_tunnel={"allow_forward": allow}).ready()

    return make


def test_verdict_follows_the_connect(make_gateway, world):
    gateway, service = make_gateway(), world.service()
    with socket.create_server(("127.0.0.1", 0)) as target, dial(gateway.port) as session:
        session.login()
        groups = "0000:0000:0000:0000:0000:ffff:7f00:0001"
        for form in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", groups):
            number = session.open(named(f"{form}:{target.getsockname()[1]}") + b"early")
            there, _ = target.accept()
            with there:
                assert session.read(number, 1) == b"\x01", form
                assert exactly(there, 5) == b"early"
                there.sendall(b"answer")
                assert session.read(number, 6) == b"answer"


def test_texts_of_refusals(make_gateway):
    gateway, closed = make_gateway(), tunnel.free_port()
    with dial(gateway.port) as session:
        session.login()
        failed = f"Failed to connect to 127.0.0.1:{closed}: connection refused".encode()
        assert refused_with(session, f"127.0.0.1:{closed}") == failed
        own = f"127.0.0.1:{gateway.port}"
        denied = f"Access denied: cannot forward to local or private address '{own}'".encode()
        assert refused_with(session, own) == denied
        for odd in ("localhost", "", "a:0", "::1:80", ":80", "[::1]", "a b:80"):
            text = f"Failed to connect to {odd}: invalid socket address".encode()
            assert refused_with(session, odd) == text, odd
        assert refused_with(session, "/run/socket:80").startswith(b"Access denied")
        tunnel.until(lambda: len(gateway.matching('"forward refused"')) == 10, gateway.log)


def test_texts_of_denials(make_gateway):
    gateway = make_gateway(access=None)
    with dial(gateway.port) as session:
        session.login()
        for target in ("169.254.169.254:80", "[::1]:22", "localhost:1"):
            text = f"Access denied: cannot forward to local or private address '{target}'".encode()
            assert refused_with(session, target) == text


def test_off_before_anything_else(make_gateway):
    gateway = make_gateway(allow=False)
    with dial(gateway.port) as session:
        session.login()
        for target in ("127.0.0.1:1", "no target", ""):
            assert refused_with(session, target) == OFF


def test_nothing_before_login(make_gateway):
    """Without a login no stream leads anywhere: the session ends, and nobody was dialled."""
    gateway = make_gateway()
    with socket.create_server(("127.0.0.1", 0)) as target, dial(gateway.port) as session:
        session.open(yamux.message(yamux.authenticate("wrong key, long enough")))
        session.open(named(f"127.0.0.1:{target.getsockname()[1]}"))
        session.pump(lambda: False, 8)
        assert session.ended
        target.settimeout(0.1)
        with pytest.raises(socket.timeout):
            target.accept()


def test_a_flood_of_refusals_is_logged_in_part(make_gateway):
    gateway = make_gateway(allow=False)
    with dial(gateway.port) as session:
        session.login()
        numbers = [session.open(named("127.0.0.1:1")) for _ in range(400)]
        assert session.pump(lambda: all(session.stream(n).rst for n in numbers))
        assert refused_with(session, "127.0.0.1:1") == OFF
    assert len(gateway.matching('"forward refused"')) < 200, gateway.log()


def test_client_says_the_vector_and_waits_for_the_verdict(world, certificate):
    """The user hears of success when the gateway has said 01, and not before."""
    with Server(certificate) as server:
        port = tunnel.free_port()
        client = world.client(server.address, forwarders=[forwarder(port)])
        with server.accept() as session:
            assert session.admit() == {"proxies": [], "visitors": []}, "forwarders are never sent"
            client.wait_listening(port)
            with socket.create_connection(("127.0.0.1", port)) as user:
                socks5.greet(user)
                user.sendall(b"\x05\x01\x00" + socks5.address("example.com", 443) + b"early")
                assert session.pump(lambda: 3 in session.opened)
                assert session.read(3, 28) == bytes.fromhex(
                    "00 18 40 66 6f 72 77 61 72 64 3a 65 78 61 6d 70 6c 65 2e 63 6f 6d 3a 34 34 33 00 00"
                )
                assert session.stream(3).frames[0] == (DATA, SYN, 0x1C)
                user.settimeout(0.2)
                with pytest.raises(socket.timeout):
                    user.recv(1)
                user.settimeout(tunnel.WAIT)
                session.data(3, b"\x01")
                assert exactly(user, 10) == b"\x05\x00\x00\x01" + bytes(6)
                assert session.read(3, 5) == b"early"
                session.data(3, b"answer", FIN)
                assert end_of(user) == (b"answer", "eof")


@pytest.mark.parametrize(
    "text, reply",
    [
        (OFF, FORBIDDEN),
        (b"Access denied: cannot forward to local or private address '10.0.0.1:80'", FORBIDDEN),
        (b"Failed to connect to a:1: Connection refused (os error 111)", REFUSED),
        (b"Failed to connect to a:1: No route to host (os error 113)", UNREACHABLE),
        (b"Failed to connect to a:1: Connection timed out (os error 110)", 6),
        (b"Failed to connect to a:1: failed to lookup address information: Name or service not known", 4),
    ],
)
def test_refusals_of_the_original(world, certificate, text, reply):
    with Server(certificate) as server:
        port = tunnel.free_port()
        client = world.client(server.address, forwarders=[forwarder(port)])
        with server.accept() as session:
            session.admit()
            client.wait_listening(port)
            with socket.create_connection(("127.0.0.1", port)) as user:
                socks5.greet(user)
                user.sendall(b"\x05\x01\x00" + socks5.address("a", 1))
                assert session.pump(lambda: 3 in session.opened)
                session.data(3, b"\0" + struct.pack(">H", len(text)) + text)
                session.data(3, b"", yamux.RST)
                assert exactly(user, 10) == bytes([5, reply, 0, 1]) + bytes(6)
