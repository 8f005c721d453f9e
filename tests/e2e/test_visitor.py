"""Visitors: a port of one machine reaches what another client publishes."""

import getpass
import os
import shutil
import socket
import subprocess

import pytest

import tunnel
from traffic import Content, end_of, start_users, transfer


def test_content_both_ways(world):
    _, _, _, bind, service = world.visited()
    transfer(bind, 32 << 20, 32 << 20)
    for user in start_users(30, bind, 1 << 20, 1 << 20):
        user.finish()
    assert not service.faults()


def test_own_proxy_may_be_visited(world):
    """One client publishes and visits over the same link."""
    service, gateway = world.service(), world.gateway().ready()
    port, bind = tunnel.free_port(), tunnel.free_port()
    world.client(
        gateway,
        proxies=[tunnel.proxy("web", port, service.port)],
        visitors=[tunnel.visitor("web", port, bind)],
    ).ready()
    transfer(bind, 4 << 20, 4 << 20)


def test_unknown_name(world):
    """The user sees the end, the log says why, and it works as soon as somebody publishes the name."""
    service, gateway = world.service(), world.gateway().ready()
    port, bind = tunnel.free_port(), tunnel.free_port()
    visiting = world.client(gateway, name="visiting", visitors=[tunnel.visitor("web", port, bind)]).ready()
    with socket.create_connection(("127.0.0.1", bind)) as user:
        received, end = end_of(user)
        assert received == b"" and end in ("eof", "reset")
    visiting.wait_line("not found|nothing is published")
    world.client(gateway, proxies=[tunnel.proxy("web", port, service.port)]).ready()
    transfer(bind, 1000, 1 << 20)


@pytest.mark.parametrize("wrong", ["name", "port"])
def test_name_and_port_must_both_match(world, wrong):
    gateway, _, port, service = world.published()
    bind = tunnel.free_port()
    other = tunnel.visitor("webb" if wrong == "name" else "web", port + (wrong == "port"), bind)
    world.client(gateway, name="visiting", visitors=[other]).ready()
    with socket.create_connection(("127.0.0.1", bind)) as user:
        assert end_of(user)[0] == b""
    assert service.accepted == 0


def test_target_service_refuses(world):
    gateway = world.gateway().ready()
    port, bind, local = tunnel.free_port(), tunnel.free_port(), tunnel.free_port()
    owner = world.client(gateway, proxies=[tunnel.proxy("web", port, local)], local_retries=1).ready()
    world.client(gateway, name="visiting", visitors=[tunnel.visitor("web", port, bind)]).ready()
    with socket.create_connection(("127.0.0.1", bind)) as user:
        received, end = end_of(user)
        assert received == b"" and end in ("eof", "reset")
    owner.wait_line("refused")


def test_owner_leaves_and_comes_back(world):
    gateway, owner, _, bind, _ = world.visited()
    transfer(bind, 0, 1000)
    owner.stop()
    with socket.create_connection(("127.0.0.1", bind)) as user:
        assert end_of(user)[0] == b""
    world.client(gateway, name="again", proxies=owner.proxies).ready()
    transfer(bind, 0, 1000)


@pytest.fixture
def sshd(world):
    """Debian's sshd on a loopback port, for the user of this test and one key."""
    binary = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not binary or not shutil.which("ssh"):
        pytest.skip("sshd or ssh is not installed (openssh-server, openssh-client)")
    folder = world.folder
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    port = tunnel.free_port()
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n"
    )
    daemon = world.add(tunnel.Process([binary, "-D", "-e", "-f", folder / "sshd_config"], "sshd"))
    daemon.wait_listening(port)
    return port


def ssh(world, port, command, **options):
    return subprocess.run(
        [
            "ssh",
            "-F",
            "none",
            "-p",
            str(port),
            "-i",
            world.folder / "user",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
            f"{getpass.getuser()}@127.0.0.1",
            command,
        ],
        capture_output=True,
        timeout=60,
        **options,
    )


def test_ssh(world, sshd):
    direct = ssh(world, sshd, "echo works")
    if direct.returncode or direct.stdout != b"works\n":
        pytest.skip(f"sshd does not let us in even without a tunnel: {direct.stderr.decode()}")
    gateway = world.gateway().ready()
    port, bind = tunnel.free_port(), tunnel.free_port()
    world.client(gateway, proxies=[tunnel.proxy("ssh", port, sshd, type="ssh")]).ready()
    world.client(gateway, name="visiting", visitors=[tunnel.visitor("ssh", port, bind)]).ready()
    assert ssh(world, bind, "exit 7").returncode == 7
    body = bytes(Content(3, 0, 1 << 18).piece()) * 64
    copied = ssh(world, bind, "cat", input=body)
    assert copied.returncode == 0 and copied.stdout == body, copied.stderr
