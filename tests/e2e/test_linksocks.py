"""LinkSocks between our own ends: each part, TCP and UDP, ends, providers that come and go."""

import socket
import threading

import pytest

import socks5
import tunnel
from linksocks_programs import Client, Echo, Server
from socks5 import Association, Refused
from traffic import User, end_of, start_users, transfer

FORWARD = {"token": "forward-token", "type": "forward"}
SIZES = [0, 1, 4095, 65536, 262145, 3 << 20]


def reverse(port, **more):
    return {"token": "reverse-token", "type": "reverse", "socks_addr": f"127.0.0.1:{port}", **more}


class Net:
    """A server and what a test asks for beside it. `socks` is where users come in."""

    def __init__(self, world, tokens, secure=False, **server):
        self.world, self.secure = world, secure
        self.server = world.add(
            Server(world.folder, world.engine, world.certificate, tokens, **server)
        ).ready()

    def client(self, token, **options):
        address = self.server.address
        if self.secure:
            address = self.server.secure
            options = {"plaintext": False, "gateway_tls_cert": str(self.world.certificate.cert), **options}
        made = Client(self.world.folder, self.world.engine, address, token, **options)
        return self.world.add(made)


def forward(world, **options):
    net = Net(world, [FORWARD], secure=options.pop("secure", False))
    net.socks = net.client("forward-token", **options).ready().socks
    return net


def reversed_(world, providers=1, **options):
    socks = tunnel.free_port()
    net = Net(world, [reverse(socks, **options.pop("token", {}))], secure=options.pop("secure", False))
    net.providers = [
        net.client("reverse-token", reverse=True, name=f"provider{i}", **options).ready()
        for i in range(providers)
    ]
    net.socks = socks
    net.server.wait_listening(socks)
    return net


def connected(world, server=None, **options):
    tokens = [{"token": "reverse-token", "type": "reverse", "connector_tokens": ["connector-token"]}]
    net = Net(world, tokens, **(server or {}))
    net.provider = net.client("reverse-token", reverse=True, name="provider").ready()
    net.socks = net.client("connector-token", name="connector", **options).ready().socks
    return net


def autonomous(world):
    net = Net(world, [{"token": "autonomy-token", "type": "reverse", "autonomy": True}])
    net.provider = net.client(
        "autonomy-token", reverse=True, connector_token="own-token", name="provider"
    ).ready()
    net.provider.wait_line("connector token")
    net.socks = net.client("own-token", name="connector").ready().socks
    return net


PARTS = {
    "forward": forward,
    "forward secure": lambda world: forward(world, secure=True),
    "reverse": reversed_,
    "reverse secure": lambda world: reversed_(world, secure=True),
    "two providers": lambda world: reversed_(world, providers=2),
    "threads": lambda world: forward(world, threads=3),
    "connector": connected,
    "autonomy": autonomous,
    "fast open": lambda world: forward(world, fast_open=True),
    "fast open connector": lambda world: connected(world, fast_open=True),
}


# Where each side of a channel is by another part; how they are linked is the same to these tests.
EACH_SIDE = pytest.mark.parametrize(
    "net", ["forward", "reverse", "connector", "fast open connector"], indirect=True
)


@pytest.fixture(params=list(PARTS))
def net(world, request):
    return PARTS[request.param](world)


def test_every_size_both_ways(world, net):
    service, dial = world.service(), socks5.dialer(net.socks)
    for size in SIZES:
        transfer(service.port, size, size, dial=dial)
    for user in start_users(30, service.port, 200_000, 200_000, dial=dial):
        user.finish()
    assert not service.faults()


@EACH_SIDE
def test_names_and_ipv6(world, net):
    service = world.service()
    transfer(service.port, 1000, 1000, dial=socks5.dialer(net.socks, "localhost"))


def test_datagrams(world, net):
    echo = Echo()
    world.closers.append(echo.close)
    with Association(net.socks) as association:
        for size in [0, 1, 512, 1472, 8000]:
            payload = bytes(range(256)) * (size // 256 + 1)
            association.send(payload[:size], "127.0.0.1", echo.port)
            assert association.receive() == (b"echo:" + payload[:size], ("127.0.0.1", echo.port))
        association.send(b"name", "localhost", echo.port)
        assert association.receive()[0] == b"echo:name"


@EACH_SIDE
def test_any_sender_is_heard(world, net):
    """Full cone: who never was spoken to may answer as well."""
    echo, stranger = Echo(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    world.closers += [echo.close, stranger.close]
    with Association(net.socks) as association:
        association.send(b"hello", "127.0.0.1", echo.port)
        association.receive()
        source = next(iter(echo.sources))
        stranger.sendto(b"from a stranger", ("127.0.0.1", source[1]))
        payload, whence = association.receive()
        assert payload == b"from a stranger" and whence[1] == stranger.getsockname()[1]


@EACH_SIDE
def test_fragments_and_scraps_are_dropped(world, net):
    echo = Echo()
    world.closers.append(echo.close)
    with Association(net.socks) as association:
        association.send(b"fragment", "127.0.0.1", echo.port, fragment=1)
        for scrap in [b"", b"\0", b"\0\0\0\1\1", b"\0\0\0\3\x40abc", b"\0\0\0\7" + bytes(20)]:
            association.socket.sendto(scrap, association.relay)
        association.send(b"whole", "127.0.0.1", echo.port)
        assert association.receive()[0] == b"echo:whole"


@EACH_SIDE
def test_control_connection_ends_the_association(world, net):
    echo = Echo()
    world.closers.append(echo.close)
    association = Association(net.socks)
    association.send(b"1", "127.0.0.1", echo.port)
    association.receive()
    association.control.close()
    association.socket.settimeout(0.2)

    def is_gone():
        try:
            association.send(b"2", "127.0.0.1", echo.port)
            association.receive()
        except OSError:
            return True
        return False

    tunnel.until(is_gone, "the association to end")


@pytest.mark.parametrize("part", [part for part in PARTS if "fast" not in part])
def test_refused_target(world, part):
    net = PARTS[part](world)
    with pytest.raises(Refused) as refusal:
        socks5.connect(net.socks, tunnel.free_port())
    assert refusal.value.reply == 4


@EACH_SIDE
def test_target_that_speaks_first(world, net):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            for _ in range(20):
                sock, _ = listener.accept()
                sock.sendall(b"220 welcome\r\n")
                sock.close()

        threading.Thread(target=serve, daemon=True).start()
        for _ in range(20):
            with socks5.connect(net.socks, listener.getsockname()[1]) as sock:
                assert end_of(sock) == (b"220 welcome\r\n", "eof")


@EACH_SIDE
def test_half_close_between_our_ends(world, net):
    """A user that shuts down its side and waits gets its answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            sock, _ = listener.accept()
            asked = end_of(sock)[0]
            sock.sendall(b"got %d" % len(asked))
            sock.close()

        threading.Thread(target=serve, daemon=True).start()
        with socks5.connect(net.socks, listener.getsockname()[1]) as sock:
            sock.sendall(b"x" * 100_000)
            sock.shutdown(socket.SHUT_WR)
            assert end_of(sock) == (b"got 100000", "eof")


def test_logins_at_the_front(world):
    net = forward(world, socks5={"auth_username": "u", "auth_password": "p"})
    service = world.service()
    transfer(service.port, 10, 10, dial=socks5.dialer(net.socks, user="u", password="p"))
    for login in [{"user": "u", "password": "wrong"}, {}]:
        with pytest.raises(Refused):
            socks5.connect(net.socks, service.port, **login)


def test_logins_of_a_reverse_token(world):
    net = reversed_(world, token={"username": "u", "password": "p"})
    service = world.service()
    transfer(service.port, 10, 10, dial=socks5.dialer(net.socks, user="u", password="p"))
    with pytest.raises(Refused):
        socks5.connect(net.socks, service.port, user="u", password="q")


def test_wrong_token_ends_the_client(world):
    net = Net(world, [FORWARD])
    for token, more in [("wrong-token", {}), ("forward-token", {"reverse": True})]:
        client = net.client(token, name=f"bad-{token}", **more)
        client.wait_line("authentication failed")
        assert client.wait_exit() == 1
        assert not client.matching(token)


def test_wrong_token_is_tried_again_when_asked(world):
    net = Net(world, [FORWARD])
    client = net.client("wrong-token", reconnect={"min": "20ms", "max": "20ms", "retry_auth": True})
    tunnel.until(lambda: len(net.server.matching("refused|failed")) >= 2, "two tries")
    assert client.child.poll() is None


def test_users_take_turns_over_providers(world):
    net = reversed_(world, providers=3)
    service = world.service()
    before = [len(p.matching(".")) for p in net.providers]
    for _ in range(9):
        transfer(service.port, 10, 10, dial=socks5.dialer(net.socks))
    del before
    assert not service.faults()


def test_provider_killed_and_back(world):
    net = reversed_(world)
    service, dial = world.service(), socks5.dialer(net.socks)
    user = User(service.port, 0, 64 << 20, dial=dial)
    user.start()
    assert user.moving.wait(30)
    net.providers[0].kill()
    user.join(30)
    assert not user.is_alive() and not user.outcome.whole and user.outcome.fault is None
    # The port stays open; who comes waits for a provider.
    late = start_users(3, service.port, 1000, 1000, dial=dial)
    net.client("reverse-token", reverse=True, name="again").ready()
    for each in late:
        each.finish()


def test_connector_without_provider_is_refused(world):
    net = connected(world, server={"connector_wait_provider": "1s"})
    net.provider.kill()
    with pytest.raises(Refused) as refusal:
        socks5.connect(net.socks, 9, timeout=30)
    assert refusal.value.reply == 4


def test_server_killed_and_back(world):
    net = forward(world)
    service, dial = world.service(), socks5.dialer(net.socks)
    transfer(service.port, 10, 10, dial=dial)
    user = User(service.port, 0, 64 << 20, dial=dial)
    user.start()
    assert user.moving.wait(30)
    net.server.kill()
    user.join(30)
    assert not user.is_alive() and not user.outcome.whole
    port, tls_port = net.server.port, net.server.tls_port
    tunnel.until(
        lambda: not tunnel.is_listening(port) and not tunnel.is_listening(tls_port), "ports to close"
    )
    net.server.child = tunnel.Process(net.server.args, "server again").child
    tunnel.until(lambda: tunnel.is_listening(port), "the server")

    def works():
        try:
            transfer(service.port, 10, 10, dial=dial, timeout=5)
            return True
        except (OSError, AssertionError):
            return False

    tunnel.until(works, "the client to come back", 30)


def test_default_access_refuses_loopback(world):
    """Where ours is the exit, this machine itself is out of reach unless the file says otherwise."""
    service = world.service()
    server = Server(world.folder, world.engine, world.certificate, [FORWARD], top={"access": {}})
    world.add(server).ready()
    client = world.add(Client(world.folder, world.engine, server.address, "forward-token")).ready()
    for host in ["127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254"]:
        with pytest.raises(Refused) as refusal:
            socks5.connect(client.socks, service.port, host)
        assert refusal.value.reply == 4
    assert not service.accepted


def test_stalled_reader_harms_nobody_else(world):
    """With credit between our ends a user that does not read holds a window; others go on."""
    net = forward(world)
    service, dial = world.service(), socks5.dialer(net.socks)
    lazy = socks5.connect(net.socks, service.port)
    from traffic import HEAD

    lazy.sendall(HEAD.pack(1 << 40, 0, 64 << 20))
    for user in start_users(4, service.port, 8 << 20, 8 << 20, dial=dial):
        user.finish()
    lazy.close()
    assert not service.faults()
