"""A link that is cut after exactly so many bytes: all comes back, nobody takes a part for the whole."""

import random
import signal
import time

import pytest

import tunnel
from cutter import Cutter
from traffic import User, start_users, transfer

# An end during the login may mean a wrong key, for which a client waits 30 s otherwise.
ALWAYS = {"min": "20ms", "max": "20ms", "retry_auth": True}
COUNT = 400 if tunnel.FULL else 24


TRANSPORTS = ["tls", "wss", "http2"]


def behind(world, plan, transport="tls"):
    """A client that reaches its gateway through a cutter: cutter, client, port, service."""
    service, gateway = world.service(), world.gateway().ready()
    cutter = Cutter(gateway.port, plan)
    world.closers.append(cutter.close)
    port = tunnel.free_port()
    proxies = [tunnel.proxy("web", port, service.port)]
    client = world.client(cutter.address, proxies=proxies, reconnect=ALWAYS, transport=transport)
    return cutter, client, gateway, port, service


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("how", ["reset", "end"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_cuts_in_handshake_login_and_first_bytes(world, transport, direction, how):
    places = random.Random(COUNT).sample(range(1, 3000), COUNT)
    plan = [(direction, place, how) for place in sorted(places)]
    cutter, client, _, port, _ = behind(world, plan, transport)
    began = time.monotonic()
    while cutter.plan and time.monotonic() - began < 30 + COUNT:
        if not tunnel.is_listening(port):  # a link that lives longer than its cut needs bytes
            time.sleep(0.002)
            continue
        user = User(port, 3000, 3000, timeout=5)
        user.start()
        user.join()
        assert user.outcome.fault is None
        assert user.outcome.whole or user.outcome.end != "eof" or user.outcome.received == 0, user.outcome
    assert not cutter.plan, f"{len(cutter.plan)} of {COUNT} cuts were not reached\n{client.log()}"
    client.wait_listening(port)
    tunnel.until(lambda: _served(port), "service after the last cut")


def _served(port):
    user = User(port, 10, 1000, timeout=2)
    user.start()
    user.join()
    assert user.outcome.fault is None, user.outcome
    return user.outcome.whole


@pytest.mark.parametrize("how", ["reset", "end"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_cut_under_load(world, transport, how):
    """No close_notify came: a cut that looks like a clean TCP end is a truncation all the same."""
    cutter, client, _, port, service = behind(world, [], transport)
    client.ready()
    users = start_users(4, port, 0, 256 << 20) + start_users(4, port, 256 << 20, 1)
    for user in users[:4]:
        assert user.moving.wait(tunnel.WAIT)
    tunnel.until(lambda: len(service.outcomes) == 8, "eight streams at the service")
    began = time.monotonic()
    cutter.cut_now(how)
    outcomes = [u.outcome for u in users] + list(service.outcomes.values())
    tunnel.until(lambda: all(o.end or o.fault for o in outcomes), lambda: f"ends: {outcomes}", 10)
    told = max(o.ended_at or 0 for o in outcomes) - began
    for outcome in outcomes:
        assert outcome.fault is None and (outcome.whole or outcome.end == "reset"), outcome
    client.wait_listening(port)
    transfer(port, 1000, 1000)
    print(f"told after {told * 1000:.0f} ms, served again after {(time.monotonic() - began) * 1000:.0f} ms")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_silent_link_is_dropped(world, transport):
    if not tunnel.FULL:
        pytest.skip("takes 100 s: FULL=1")
    cutter, client, gateway, port, service = behind(world, [("up", 200_000, "silence")], transport)
    client.ready()
    user = User(port, 0, 1 << 20, timeout=120)
    user.start()
    began = time.monotonic()
    user.join(120)
    assert user.outcome.end == "reset" and time.monotonic() - began < 95, user.outcome
    # Its port is closed a moment after its users have been told.
    tunnel.until(lambda: len(client.matching('"published"')) == 2, "the port to be published again")
    transfer(port, 1000, 1000)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_frozen_client_is_given_up(world, transport):
    """It answers nothing for longer than a gateway waits; going on, it is back with all that it had."""
    if not tunnel.FULL:
        pytest.skip("takes 100 s: FULL=1")
    gateway, client, port, service = world.published(transport=transport, reconnect=ALWAYS)
    user = User(port, 0, 1 << 30, timeout=200)
    user.start()
    assert user.moving.wait(tunnel.WAIT)
    client.signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        user.join(120)
        assert user.outcome.end == "reset", user.outcome
        tunnel.until(lambda: not tunnel.is_listening(port), "the published port to be closed")
        time.sleep(max(0, began + 100 - time.monotonic()))  # longer than anybody's patience, that is the case
    finally:
        client.signal(signal.SIGCONT)
    client.wait_listening(port)
    transfer(port, 1000, 1 << 20)
    assert not service.faults()
