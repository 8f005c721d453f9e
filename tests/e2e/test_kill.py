"""kill -9 of either end under load: nobody takes a part for the whole, and all comes back by itself."""

import signal
import time

import pytest

import tunnel
from traffic import start_users, transfer

DOWN = 256 << 20


def under_load(port, service):
    users = start_users(5, port, 0, DOWN) + start_users(5, port, DOWN, 1)
    for user in users[:5]:
        assert user.moving.wait(tunnel.WAIT), user.outcome
    tunnel.until(lambda: len(service.outcomes) == 10, "ten streams at the service")
    return users


def judge(outcomes, what):
    """No side may have seen a clean end before everything had come."""
    for outcome in outcomes:
        assert outcome.fault is None, outcome
        assert outcome.whole or outcome.end != "eof", f"{what}: a clean end on truncated content: {outcome}"


def await_ends(outcomes, since, limit):
    tunnel.until(lambda: all(o.end for o in outcomes), lambda: f"ends of {outcomes}", limit)
    return max(o.ended_at for o in outcomes) - since


def test_client_is_killed(world):
    gateway, client, port, service = world.published()
    users = under_load(port, service)
    killed = time.monotonic()
    client.kill()
    took = await_ends([u.outcome for u in users], killed, 10)
    judge([u.outcome for u in users], "users")
    assert all(u.outcome.end == "reset" for u in users if not u.outcome.whole)
    began = time.monotonic()
    again = world.client(gateway, name="again", proxies=client.proxies)
    again.ready()
    transfer(port, 1000, 1000)
    print(f"users knew in {took * 1000:.0f} ms, served again in {(time.monotonic() - began) * 1000:.0f} ms")


def test_gateway_is_killed(world):
    gateway, client, port, service = world.published()
    under_load(port, service)
    killed = time.monotonic()
    gateway.kill()
    took = await_ends(list(service.outcomes.values()), killed, 10)
    judge(service.outcomes.values(), "services")
    assert all(o.end == "reset" for o in service.outcomes.values() if not o.whole)
    tunnel.until(lambda: not tunnel.is_listening(port), "the published port to be closed")
    began = time.monotonic()
    world.gateway(name="again", port=gateway.port).ready()
    gateway_up = time.monotonic()
    client.wait_listening(port)
    transfer(port, 1000, 1000)
    print(
        f"services knew after {took * 1000:.0f} ms, gateway back after {(gateway_up - began) * 1000:.0f} ms, "
        f"serving after {(time.monotonic() - began) * 1000:.0f} ms"
    )


@pytest.mark.parametrize("victim", ["owner", "visiting", "gateway"])
def test_visitors_ends_when_one_is_killed(world, victim):
    gateway, owner, visiting, bind, service = world.visited()
    users = under_load(bind, service)
    killed = time.monotonic()
    {"owner": owner, "visiting": visiting, "gateway": gateway}[victim].kill()
    if victim != "visiting":
        await_ends([u.outcome for u in users], killed, 10)
        judge([u.outcome for u in users], "users")
    if victim != "owner":
        await_ends(list(service.outcomes.values()), killed, 10)
        judge(service.outcomes.values(), "services")


def test_dead_owner_is_taken_over(world):
    """A frozen client keeps its socket open; the next one with the same proxies gets them within seconds."""
    gateway, client, port, service = world.published()
    transfer(port)
    client.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        again = world.client(gateway, name="again", proxies=client.proxies)
        served = None
        while served is None and time.monotonic() - began < 15:
            try:
                transfer(port, 10, 1000, timeout=2)
                served = time.monotonic() - began
            except (AssertionError, OSError):
                pass
        assert served is not None, f"{again.log()}\n{gateway.log()}"
        print(f"taken over after {served:.1f} s")
    finally:
        client.signal(signal.SIGCONT)


def test_reconnects_again_and_again(world):
    gateway, client, port, _ = world.published()
    longest = 0
    for turn in range(3):
        gateway.kill()
        tunnel.until(lambda: not tunnel.is_listening(port), "the published port to be closed")
        gateway = world.gateway(name=f"gateway-{turn}", port=gateway.port).ready()
        began = time.monotonic()
        client.wait_listening(port)
        transfer(port, 1000, 1000)
        longest = max(longest, time.monotonic() - began)
    print(f"longest recovery {longest * 1000:.0f} ms")
