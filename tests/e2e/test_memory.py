"""Memory: never above the sum that is printed at the start, and back where it was after a burst."""

import json
import resource
import socket

import pytest

import tunnel

pytestmark = pytest.mark.skipif(tunnel.SANITIZED, reason="a sanitizer's own memory is not ours")
BLOCK = b"m" * 65536
# A burst makes us lend up to 256 buffers to io_uring, which keeps them, each with a page or two.
LENT_KIB = 2048


def printed_kib(process):
    return json.loads(process.wait_line('"process_max_mib"'))["process_max_mib"] * 1024


def raise_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        pytest.skip(f"no more than {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


class Deaf:
    """A service that accepts and reads nothing until it is told to."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.accepted = []

    def accept(self, count):
        for _ in range(count):
            self.accepted.append(self.listener.accept()[0])

    def close(self):
        for one in [*self.accepted, self.listener]:
            one.close()


def open_users(port, deaf, count):
    users = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    deaf.accept(count)
    for user in users:
        user.setblocking(False)
    return users


def push(users):
    """As much as each takes without waiting; what nobody reads stays in the two processes between."""
    for user in list(users):
        try:
            user.send(BLOCK)
        except BlockingIOError:
            pass
        except OSError:  # at the limit a channel is reset, and so it should be
            users.remove(user)


def published(world, **top):
    raise_descriptors(4096)
    deaf = Deaf()
    world.closers.append(deaf.close)
    gateway = world.gateway(top=top).ready()
    port = tunnel.free_port()
    client = world.client(gateway, proxies=[tunnel.proxy("web", port, deaf.port)], top=top).ready()
    return gateway, client, port, deaf


def test_never_above_the_printed_sum(world):
    gateway, client, port, deaf = published(world, limits={"process_memory": "32MiB"})
    users = open_users(port, deaf, 500)
    peaks = {gateway: 0, client: 0}

    def full():
        push(users)
        for process in peaks:
            peaks[process] = max(peaks[process], process.memory_kib("Pss"))
            assert peaks[process] <= printed_kib(process), process.log()
        return peaks[gateway] >= printed_kib(gateway) / 2

    tunnel.until(full, lambda: f"half of the sum in use: {[*peaks.values()]} KiB")
    for _ in range(50):  # no more than that, however much is sent
        full()
    for user in users:
        user.close()


def test_a_burst_leaves_nothing(world):
    gateway, client, port, deaf = published(world)
    open_users(port, deaf, 1)[0].close()
    before = {process: process.memory_kib("Private_Dirty") for process in (gateway, client)}
    users = open_users(port, deaf, 800)
    during = {}

    def rose():
        push(users)
        during.update({process: process.memory_kib("Private_Dirty") for process in before})
        return during[gateway] > 8 * before[gateway] and during[client] > 2 * before[client]

    tunnel.until(rose, lambda: f"{[*before.values()]} KiB, now {[*during.values()]}")
    for user in users:
        user.close()
    deaf.close()

    def fell():
        allowed = {p: level + level // 4 + LENT_KIB for p, level in before.items()}
        return all(p.memory_kib("Private_Dirty") <= level for p, level in allowed.items())

    tunnel.until(
        fell,
        lambda: f"{[*before.values()]} KiB, during {[*during.values()]}, "
        f"now {[p.memory_kib('Private_Dirty') for p in before]}",
        timeout=60 * tunnel.PATIENCE,
    )
