"""What is refused between our own ends: who learns why. Transfers of others run beside."""

import socket
import subprocess

import pytest

import tunnel
from certificate import Certificate
from traffic import Reference, transfer


@pytest.fixture
def running(world):
    """A gateway and a client at work, with transfers that run until the test is over."""
    gateway, client, port, service = world.published()
    with Reference(port):
        yield gateway, client, port, service


def test_wrong_key(world, running):
    gateway = running[0]
    port = tunnel.free_port()
    client = world.client(
        gateway, name="wrong", auth_key="not the right key", proxies=[tunnel.proxy("w", port, 1)]
    )
    client.wait_line("Invalid authentication key|authentication failed|wrong key")
    assert client.matching("(?i)auth"), client.log()
    assert (
        len(
            tunnel.until(
                lambda: gateway.matching("authentication failed|Invalid authentication key"), gateway.log
            )
        )
        == 1
    )
    assert not tunnel.is_listening(port)
    # A refused login is not tried again at once: once a session now, the next one after 30 s.
    assert len(client.matching("Invalid authentication key|authentication failed|wrong key")) == 1, (
        client.log()
    )
    assert not any("not the right key" in line for p in (gateway, client) for line in p.lines), (
        "a key in a log"
    )


def test_wrong_pin(world, running):
    other = Certificate(world.folder, "other")
    client = world.client(
        running[0],
        name="pinned",
        gateway_tls_cert=None,
        gateway_tls_pin=other.pin(),
        visitors=[tunnel.visitor("web", running[2], tunnel.free_port())],
    )
    client.wait_line("(?i)certificate|pin")
    assert len(client.matching('"level":\\s*"(warn|error)"')) == 1, client.log()


def test_right_pin(world, running):
    port = tunnel.free_port()
    world.client(
        running[0],
        name="pinned",
        gateway_tls_cert=None,
        gateway_tls_pin=world.certificate.pin(),
        visitors=[tunnel.visitor("web", running[2], port)],
    ).ready()
    transfer(port, 1000, 1000)


def test_untrusted_certificate(world, running):
    other = Certificate(world.folder, "other")
    client = world.client(
        running[0],
        name="distrusting",
        certificate=other,
        visitors=[tunnel.visitor("web", running[2], tunnel.free_port())],
    )
    client.wait_line("(?i)certificate")


def test_expired_certificate(world):
    old = Certificate(world.folder, "old", expired=True)
    gateway = world.gateway(certificate=old).ready()
    port = tunnel.free_port()
    client = world.client(gateway, certificate=old, proxies=[tunnel.proxy("web", port, 1)])
    client.wait_line("(?i)expired|certificate")
    assert not tunnel.is_listening(port)


def test_certificate_of_another_name(world):
    other = Certificate(world.folder, "elsewhere", address="127.0.0.9")
    gateway = world.gateway(certificate=other).ready()
    port = tunnel.free_port()
    client = world.client(gateway, certificate=other, proxies=[tunnel.proxy("web", port, 1)])
    client.wait_line("(?i)certificate|name")
    assert not tunnel.is_listening(port)


def test_port_taken_by_another_program(world, running):
    """The client's other proxy works, both logs name the port, and it is published when it is free again."""
    gateway, _, _, service = running
    with socket.create_server(("127.0.0.1", 0)) as occupant:
        taken, fine = occupant.getsockname()[1], tunnel.free_port()
        client = world.client(
            gateway,
            name="second",
            proxies=[tunnel.proxy("taken", taken, service.port), tunnel.proxy("fine", fine, service.port)],
        )
        client.wait_listening(fine)
        gateway.wait_line(str(taken))
        client.wait_line(f"PROXY_BIND_RETRY|{taken}")
        transfer(fine, 1000, 1000)
    gateway.wait_listening(taken, 8)
    transfer(taken, 1000, 1000)


def test_name_taken_by_another_client(world, running):
    gateway, _, port, service = running
    client = world.client(gateway, name="second", proxies=[tunnel.proxy("web", port, service.port)])
    client.wait_line("(?i)reject|taken|already")


def test_one_of_two_names_taken(world, running):
    gateway, _, port, service = running
    free = tunnel.free_port()
    client = world.client(
        gateway,
        name="second",
        proxies=[tunnel.proxy("web", port, service.port), tunnel.proxy("free", free, service.port)],
    )
    client.wait_listening(free)
    client.wait_line(f"web:{port}|(?i:reject)")
    transfer(free, 1000, 1000)


def test_gateways_own_port_cannot_be_published(world, running):
    gateway = running[0]
    client = world.client(gateway, name="second", proxies=[tunnel.proxy("mine", gateway.port, 1)])
    client.wait_line("Port conflict: mine|(?i:reject)")


def test_port_of_the_gateway_is_taken(world, running):
    """Not a crash loop and no silence: one line that names the address, exit 1."""
    second = world.gateway(name="second", port=running[0].port)
    assert second.wait_exit() == 1
    assert second.matching(f"{running[0].port}.*(in use|another process)"), second.log()


def test_key_is_gone_from_the_command_line(world, running):
    gateway = running[0]
    url = f"tls-tunnel://{tunnel.KEY}@127.0.0.1:{gateway.port}?pin={world.certificate.pin()}"
    bind = tunnel.free_port()
    client = world.add(
        tunnel.Process(
            [
                tunnel.BIN,
                "client",
                url,
                "--visit",
                f"web:{running[2]}=127.0.0.1:{bind}",
                "--engine",
                world.engine,
            ],
            "by url",
            env={"STATE_DIRECTORY": str(world.folder)},
        )
    )
    client.wait_listening(bind)
    transfer(bind, 1000, 1000)
    with open(f"/proc/{client.pid}/cmdline", "rb") as line:
        assert tunnel.KEY.encode() not in line.read()
    listed = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(client.pid)], capture_output=True, text=True
    )
    assert tunnel.KEY not in listed.stdout
