"""With the original LinkSocks, both ways: forward, provider, connector, autonomy; TCP and UDP."""

import socket
import threading

import pytest

import socks5
import tunnel
from linksocks_programs import VERSIONS, Client, Echo, Original, Server
from socks5 import Association
from traffic import start_users, transfer

SIZES = [0, 1, 4097, 65537, 600_000]


@pytest.fixture(params=VERSIONS if tunnel.FULL else VERSIONS[:1])
def version(request):
    return request.param


@pytest.fixture(params=VERSIONS[:1])
def first(request):
    return request.param


def checked(world, socks, awaits_end=True):
    service, dial = world.service(), socks5.dialer(socks)
    for size in SIZES:
        transfer(service.port, size, size, dial=dial, awaits_end=awaits_end)
    transfer(service.port, 4 << 20, 8 << 20, dial=dial, awaits_end=awaits_end)
    for user in start_users(20, service.port, 100_000, 100_000, dial=dial, awaits_end=awaits_end):
        user.finish()
    assert not service.faults()


def datagrams(world, socks):
    echo = Echo()
    world.closers.append(echo.close)
    with Association(socks) as association:
        for payload in [b"x", b"y" * 1400, b"z" * 8000]:
            association.send(payload, "127.0.0.1", echo.port)
            assert association.receive() == (b"echo:" + payload, ("127.0.0.1", echo.port))


def speaks_first(socks):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            for _ in range(30):
                sock, _ = listener.accept()
                sock.sendall(b"220 welcome\r\n")
                sock.close()

        threading.Thread(target=serve, daemon=True).start()
        for _ in range(30):
            with socks5.connect(socks, listener.getsockname()[1]) as sock:
                sock.settimeout(20)
                assert sock.recv(100) == b"220 welcome\r\n"


def our_server(world, tokens):
    return world.add(Server(world.folder, world.engine, world.certificate, tokens)).ready()


def our_client(world, address, token, **options):
    return world.add(Client(world.folder, world.engine, address, token, **options)).ready()


def their(world, version, role, *arguments):
    return world.add(Original(version, role, *arguments)).ready()


def test_their_client(world, version):
    server = our_server(world, [{"token": "T", "type": "forward"}])
    socks = tunnel.free_port()
    their(world, version, "client", server.url, "T", "--socks", socks, "--threads", "2")
    checked(world, socks, awaits_end=False)
    datagrams(world, socks)
    speaks_first(socks)


def test_their_provider(world, version):
    socks = tunnel.free_port()
    server = our_server(world, [{"token": "T", "type": "reverse", "socks_addr": f"127.0.0.1:{socks}"}])
    their(world, version, "provider", server.url, "T")
    server.wait_listening(socks)
    checked(world, socks)
    datagrams(world, socks)
    speaks_first(socks)


def test_their_provider_and_connector(world, version):
    server = our_server(world, [{"token": "T", "type": "reverse", "connector_tokens": ["C"]}])
    socks = tunnel.free_port()
    their(world, version, "provider", server.url, "T")
    their(world, version, "client", server.url, "C", "--socks", socks)
    checked(world, socks, awaits_end=False)
    datagrams(world, socks)
    speaks_first(socks)


def test_their_autonomous_provider(world, version):
    server = our_server(world, [{"token": "T", "type": "reverse", "autonomy": True}])
    provider = their(world, version, "provider", server.url, "T", "--connector", "own-connector")
    provider.wait_line("^connector own-connector")
    client = our_client(world, server.address, "own-connector")
    checked(world, client.socks)
    datagrams(world, client.socks)


def their_server(world, version, *arguments):
    port = tunnel.free_port()
    their(world, version, "server", port, *arguments)
    return f"127.0.0.1:{port}"


def test_our_client(world, version):
    address = their_server(world, version, "--forward", "T")
    client = our_client(world, address, "T", threads=2)
    checked(world, client.socks)
    datagrams(world, client.socks)
    speaks_first(client.socks)


def test_our_provider(world, version):
    socks = tunnel.free_port()
    address = their_server(world, version, "--reverse", f"T:{socks}")
    our_client(world, address, "T", reverse=True)
    tunnel.until(lambda: tunnel.is_listening(socks), "their SOCKS port")
    checked(world, socks, awaits_end=False)
    datagrams(world, socks)
    speaks_first(socks)


def test_our_connector(world, version):
    socks = tunnel.free_port()
    address = their_server(world, version, "--reverse", f"T:{socks}", "--connector", "C:T")
    their(world, version, "provider", f"ws://{address}", "T")
    client = our_client(world, address, "C")
    checked(world, client.socks)
    datagrams(world, client.socks)
    speaks_first(client.socks)


def test_our_provider_their_connector(world, version):
    socks, users = tunnel.free_port(), tunnel.free_port()
    address = their_server(world, version, "--reverse", f"T:{socks}", "--connector", "C:T")
    our_client(world, address, "T", reverse=True)
    their(world, version, "client", f"ws://{address}", "C", "--socks", users)
    checked(world, users, awaits_end=False)
    datagrams(world, users)
    speaks_first(users)


def test_our_autonomous_provider(world, version):
    address = their_server(world, version, "--autonomy", "T")
    provider = our_client(world, address, "T", reverse=True, connector_token="own-connector", name="provider")
    provider.wait_line("connector token")
    client = our_client(world, address, "own-connector", name="connector")
    checked(world, client.socks)


def test_their_provider_killed_and_back(world, first):
    socks = tunnel.free_port()
    server = our_server(world, [{"token": "T", "type": "reverse", "socks_addr": f"127.0.0.1:{socks}"}])
    provider = their(world, first, "provider", server.url, "T")
    server.wait_listening(socks)
    service, dial = world.service(), socks5.dialer(socks)
    transfer(service.port, 1000, 1000, dial=dial)
    provider.kill()
    late = start_users(2, service.port, 1000, 1000, dial=dial)
    their(world, first, "provider", server.url, "T")
    for user in late:
        user.finish()


@pytest.mark.skipif(not tunnel.FULL, reason="takes 100 s: FULL=1")
def test_our_provider_outlives_a_minute(world, first):
    """A stock server cuts its providers 60 s after the last request; unsolicited Pongs keep ours."""
    socks = tunnel.free_port()
    address = their_server(world, first, "--reverse", f"T:{socks}")
    provider = our_client(world, address, "T", reverse=True)
    tunnel.until(lambda: tunnel.is_listening(socks), "their SOCKS port")
    service = world.service()
    with socks5.connect(socks, service.port) as sock:
        from traffic import HEAD

        sock.settimeout(100)
        sock.sendall(HEAD.pack(1 << 41, 2, 0)[:10])
        sock.settimeout(90)
        with pytest.raises(socket.timeout):
            sock.recv(1)
    assert not provider.matching("link ended")
