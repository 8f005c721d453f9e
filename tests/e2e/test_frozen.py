"""An end that stands still: others go on, memory stays within its limits, and who goes on before anybody's
patience is over has lost nothing. After that the link ends on both sides, and comes back.
"""

import signal
import threading
import time

import pytest

import tunnel
from carriers import TRANSPORTS
from elsewhere import Elsewhere
from test_stall import GROWTH_KIB
from traffic import User, start_users, transfer

SIZE = 24 << 20  # more than any window and all buffers on the way hold
GIVEN_UP_S, FROZEN_S = 100, 105
needs_minutes = pytest.mark.skipif(not tunnel.FULL, reason="takes two minutes: FULL=1")


def both_ways(port, count, **options):
    """Half of them send, half of them receive; all have begun."""
    users = start_users(count // 2, port, SIZE, 1, **options)
    users += start_users(count // 2, port, 1, SIZE, **options)
    for user in users[count // 2 :]:
        assert user.moving.wait(tunnel.WAIT)
    return users


class Frozen:
    """Stops a program for the block."""

    def __init__(self, program):
        self.program = program

    def __enter__(self):
        self.program.signal(signal.SIGSTOP)

    def __exit__(self, *_):
        self.program.signal(signal.SIGCONT)


def rate(port):
    """MB/s of some who receive at the same time, for people to read."""
    began = time.monotonic()
    for user in start_users(4, port, 1000, 2 * SIZE):
        user.finish()
    return 8 * SIZE / (time.monotonic() - began) / 1e6


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_client_stands_still(world, transport):
    """Its users wait, old ones and new ones; those of another client do not notice."""
    service = world.service()
    gateway, port, other = world.gateway().ready(), tunnel.free_port(), tunnel.free_port()
    client = world.client(
        gateway, transport=transport, proxies=[tunnel.proxy("web", port, service.port)]
    ).ready()
    world.client(
        gateway, name="other", transport=transport, proxies=[tunnel.proxy("other", other, service.port)]
    ).ready()
    before_rate, before = rate(other), gateway.rss_kib()
    users = both_ways(port, 8)
    with Frozen(client):
        users += start_users(20, port, SIZE // 8, 1000)
        during_rate = rate(other)
        growth = gateway.rss_kib() - before
        assert growth < GROWTH_KIB, f"{growth} KiB"
    for user in users:
        user.finish()
    assert not service.faults() and not client.matching('"link lost"')
    print(f"{transport}: others {before_rate:.0f} MB/s before, {during_rate:.0f} beside; growth {growth} KiB")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_gateway_stands_still(world, transport):
    """Whoever comes meanwhile is waited for by the kernel; what a service sends stops at a window."""
    gateway, client, port, service = world.published(transport=transport)
    transfer(port, 1 << 20, 1 << 20)
    before = client.rss_kib()
    users = both_ways(port, 8)
    with Frozen(gateway):
        users += start_users(20, port, SIZE // 8, 1000)
        threading.Event().wait(3)  # so long it stands still
        growth = client.rss_kib() - before
        assert growth < GROWTH_KIB, f"{growth} KiB"
    for user in users:
        user.finish()
    assert not service.faults() and not client.matching('"link lost"')
    print(f"{transport}: the client's growth {growth} KiB")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_service_stands_still(world, transport):
    """It accepts nobody and reads nothing; others of the same link go on."""
    places, service = world.add(Elsewhere()), world.service()
    gateway, port, other = world.gateway().ready(), tunnel.free_port(), tunnel.free_port()
    client = world.client(
        gateway,
        transport=transport,
        proxies=[tunnel.proxy("web", port, places.service), tunnel.proxy("other", other, service.port)],
    ).ready()
    before_rate, before = rate(other), [end.rss_kib() for end in (gateway, client)]
    users = both_ways(port, 8)
    with Frozen(places):
        users += start_users(20, port, SIZE // 8, 1000)
        during_rate = rate(other)
        growth = [end.rss_kib() - was for end, was in zip((gateway, client), before)]
        assert max(growth) < GROWTH_KIB, f"{growth} KiB"
    for user in users:
        user.finish()
    assert not places.told() and not service.faults()
    print(f"{transport}: others {before_rate:.0f} MB/s before, {during_rate:.0f} beside; growth {growth} KiB")


@needs_minutes
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_gateway_is_given_up(world, transport):
    """It says nothing for 90 s: its client ends what it carried. Going on, it is found again."""
    gateway, client, port, service = world.published(transport=transport)
    users = [User(port, 0, 1 << 30, timeout=200), User(port, 1 << 30, 1, timeout=200)]
    for user in users:
        user.start()
    assert users[0].moving.wait(tunnel.WAIT)
    with Frozen(gateway):
        began = time.monotonic()
        client.wait_line('"link lost"', GIVEN_UP_S)
        told = time.monotonic() - began
        ends = list(service.outcomes.values())
        tunnel.until(lambda: all(end.end for end in ends), lambda: f"ends: {ends}")
        threading.Event().wait(max(0, began + FROZEN_S - time.monotonic()))  # longer than anybody's patience
        seen = len(client.lines)
    for user in users:
        user.join(60)
        assert user.outcome.end == "reset", user.outcome
    client.wait_line('"published"', 90, seen)
    transfer(port, 1000, 1 << 20)
    assert [end.end for end in ends] == ["reset", "reset"] and not service.faults(), ends
    print(f"{transport}: given up after {told:.1f} s")
