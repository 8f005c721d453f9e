"""Readers that stop for good: the others go on, memory stays within its limits."""

import socket

import pytest

import tunnel
from carriers import TRANSPORTS
from management import Management
from traffic import HEAD, TRAILER, Reference, exactly, start_users, transfer

# 256 KiB queued, a window and socket buffers each, with room for noise. A sanitizer keeps what was freed.
GROWTH_KIB = (512 if tunnel.SANITIZED else 48) * 1024


def windows_kib(management, count):
    """What so many stopped readers may hold above the least: on a slow machine the way seems to be long."""
    rtt_ms = max(link["rtt_ms"] for link in management.links())
    return count * 1024 * min(max(rtt_ms - 1, 0), 15)


def assert_little_growth(programs, before, more_kib=0):
    """What those who go on have taken for a moment is given back; what waits for the stalled stays."""

    def growth():
        return [program.rss_kib() - kib for program, kib in zip(programs, before)]

    most = GROWTH_KIB + more_kib
    tunnel.until(lambda: max(growth()) < most, lambda: f"growth in KiB: {growth()}", 4 * tunnel.WAIT)
    print(f"growth in KiB: {growth()}")


def stalled_user(port, down):
    sock = socket.create_connection(("127.0.0.1", port), tunnel.WAIT)
    sock.sendall(HEAD.pack(1 << 50, 0, down))
    assert exactly(sock, 1)
    return sock


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("way", ["published", "visitor"])
def test_user_stops_reading(world, way, transport):
    if way == "published":
        gateway, client, port, service = world.published(transport=transport)
        programs = gateway, client
    else:
        gateway, client, visiting, port, service = world.visited(transport=transport)
        programs = gateway, client, visiting
    for user in start_users(50, port, 1000, 1 << 20):  # warm: pools are as large as they get
        user.finish()
    before = [p.rss_kib() for p in programs]
    with stalled_user(port, 1 << 40):
        for user in start_users(50, port, 1 << 20, 4 << 20):
            user.finish()
        assert_little_growth(programs, before)
    assert not service.faults()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_many_users_stop_reading(world, transport):
    """Thirty at once: bounded by their number times their limit, and still the others go on."""
    management = Management()
    gateway, client, port, _ = world.published(transport=transport, gateway={"top": management.top})
    transfer(port, 1 << 20, 1 << 20)
    before, more_kib = (gateway.rss_kib(), client.rss_kib()), windows_kib(management, 30)
    stalled = [stalled_user(port, 1 << 40) for _ in range(30)]
    with Reference(port):
        pass
    assert_little_growth((gateway, client), before, more_kib)
    for sock in stalled:
        sock.close()
    transfer(port, 1 << 20, 1 << 20)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_service_stops_reading(world, transport):
    """The user that feeds it is stopped, not dropped, and memory does not grow for it."""
    deaf = socket.create_server(("127.0.0.1", 0))
    world.closers.append(deaf.close)
    service, gateway = world.service(), world.gateway().ready()
    port, other = tunnel.free_port(), tunnel.free_port()
    client = world.client(
        gateway,
        transport=transport,
        proxies=[tunnel.proxy("deaf", port, deaf.getsockname()[1]), tunnel.proxy("web", other, service.port)],
    ).ready()
    transfer(other, 1 << 20, 1 << 20)
    before = gateway.rss_kib(), client.rss_kib()
    with socket.create_connection(("127.0.0.1", port)) as user, Reference(other):
        user.settimeout(1)
        sent = 0
        with pytest.raises(socket.timeout):
            while sent < 256 << 20:
                sent += user.send(bytes(1 << 16))
        assert_little_growth((gateway, client), before)


def test_slow_reader_gets_everything(world):
    _, _, port, _ = world.published()
    size = 1 << 20
    with socket.create_connection(("127.0.0.1", port)) as user:
        user.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        user.sendall(HEAD.pack(77, 0, size))
        left = size + len(TRAILER)
        user.settimeout(tunnel.WAIT)
        while left:
            received = user.recv(min(4096, left))
            assert received, f"the end came {left} bytes too early"
            left -= len(received)
        assert user.recv(1) == b""
