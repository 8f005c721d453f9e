"""The program itself: configuration errors, the demonstration, engines that are forbidden, commands."""

import json
import os
import re
import stat
import subprocess

import pytest

import seccomp
import tunnel
import yamux
from traffic import transfer

BAD = """\
engine: fast
cores: many
colour: blue
gateway:
  listen_addr: "127.0.0.1:99999"
  tls_tunnel: {auth_key: "short"}
  no_such_key: 1
client:
  protocol: tls-tunnel
  gateway_addr: "127.0.0.1:8443"
  auth_key: "0123456789abcdef"
  reconnect: {min: 5 parsecs}
  proxies:
    - {name: a, publish_port: 70000, local_port: 1}
    - {publish_port: 7000, local_port: 1}
"""
# line: what the message is about
BAD_LINES = {
    1: "fast|engine",
    2: "many|cores",
    3: "colour",
    5: "99999|port|listen_addr",
    6: "auth_key|short|16",
    7: "no_such_key",
    12: "parsecs|min|duration",
    14: "70000|publish_port",
    15: "name",
}


def run(*args, timeout=30, env=None, before=None):
    return subprocess.run(
        [tunnel.BIN, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=timeout * tunnel.PATIENCE,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
        preexec_fn=before,
    )


def told(text, file):
    """Line numbers and messages of the errors about a file."""
    return {
        int(line): message
        for line, column, message in re.findall(rf"^{re.escape(str(file))}:(\d+):(\d+): (.*)$", text, re.M)
    }


@pytest.mark.parametrize("how", ["check", "run"])
def test_all_configuration_errors_at_once(tmp_path, how):
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    ran = run("check", file) if how == "check" else run("--config", file)
    assert ran.returncode == 1, (ran.returncode, ran.stdout, ran.stderr)
    found = told(ran.stdout + ran.stderr, file)
    missing = {line: what for line, what in BAD_LINES.items() if not re.search(what, found.get(line, ""))}
    assert not missing, (missing, found, ran.stderr)


@pytest.mark.parametrize(
    "text, line",
    [
        ("gateway: {listen_addr: ':8443'\n", None),
        ("gateway: *nowhere\n", 1),
        ("a: &a [1]\nb: *a\n", None),
        ("[" * 100 + "]" * 100, 1),
        ("engine: auto\nengine: epoll\n", 2),
        (
            "client: {protocol: tls-tunnel, gateway_addr: ':1', auth_key: '0123456789abcdef', token: x}\n",
            1,
        ),
        ("gateway:\n\tlisten_addr: x\n", 2),
        ("client: {protocol: smoke}\n", 1),
        ("limits: {channel_bytes: -1}\n", 1),
        ("drain: {stop: 25}\n", None),
        ("\x00\x01", None),
    ],
    ids=[
        "unclosed",
        "unknown alias",
        "alias",
        "too deep",
        "double key",
        "foreign key",
        "tab",
        "protocol",
        "negative",
        "no unit",
        "binary",
    ],
)
def test_single_configuration_errors(tmp_path, text, line):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    ran = run("check", file)
    found = told(ran.stdout + ran.stderr, file)
    if text.startswith("drain") and ran.returncode == 0:
        pytest.skip("a bare number is taken for seconds")
    assert ran.returncode == 1 and found, (ran.returncode, ran.stdout, ran.stderr)
    assert line is None or line in found, found


def test_good_configuration(tmp_path, certificate):
    file = tmp_path / "good.yaml"
    file.write_text(
        json.dumps(
            {
                "gateway": {
                    "listen_addr": "127.0.0.1:8443",
                    "tls_cert": str(certificate.cert),
                    "tls_key": str(certificate.key),
                    "tls_tunnel": {"auth_key": tunnel.KEY},
                }
            }
        )
    )
    ran = run("check", file)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_missing_file():
    ran = run("--config", "/nonexistent/tunnel.yaml")
    assert (
        ran.returncode == 1 and "/nonexistent/tunnel.yaml" in ran.stderr and len(ran.stderr.splitlines()) == 1
    )


def test_demo(engine):
    ran = run("demo", "--engine", engine, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"[GM]i?B/s", ran.stdout + ran.stderr), ran.stdout


@pytest.mark.parametrize("transport, shown", [("wss", "WebSocket"), ("http2", "HTTP/2")])
def test_demo_of_a_transport(engine, transport, shown):
    ran = run("demo", "--engine", engine, "--transport", transport, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert shown in ran.stdout and "It works" in ran.stdout
    ran = run("demo", "--transport", "quic")
    assert ran.returncode == 2 and "--transport" in ran.stderr


def test_version_help_and_usage():
    version = run("--version")
    assert version.returncode == 0 and re.search(r"\d+\.\d+", version.stdout)
    for command in ([], ["gateway"], ["client"], ["demo"], ["check"]):
        shown = run(*command, "--help")
        assert shown.returncode == 0 and "--" in shown.stdout, command
    for wrong in (["--no-such-option"], ["no-such-command"], ["client"], ["check"], ["--engine", "fast"]):
        ran = run(*wrong)
        assert ran.returncode == 2 and ran.stderr, (wrong, ran)


def test_token():
    one, two = run("token").stdout.strip(), run("token").stdout.strip()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", one) and one != two


def test_doctor():
    ran = run("doctor")
    assert ran.returncode == 0 and re.search("io_uring|epoll", ran.stdout), ran.stdout + ran.stderr
    for library in ("wolfSSL", "nghttp2", "c-ares", "jansson", "libyaml", "zlib", "lz4"):
        assert re.search(rf"\b{library} \d+\.\d+", ran.stdout), library


def test_certificate_of_the_program(tmp_path):
    ran = run("cert", "--host", "127.0.0.1", "--out-dir", tmp_path)
    assert ran.returncode == 0, ran.stderr
    keys = [file for file in tmp_path.iterdir() if "PRIVATE KEY" in file.read_text()]
    certificates = [file for file in tmp_path.iterdir() if "BEGIN CERT" in file.read_text()]
    assert len(keys) == 1 and stat.S_IMODE(keys[0].stat().st_mode) == 0o600
    shown = subprocess.run(
        ["openssl", "x509", "-in", certificates[0], "-noout", "-text"], capture_output=True, text=True
    ).stdout
    assert "IP Address:127.0.0.1" in shown and "CA:TRUE" not in shown, shown
    assert run("cert", "--host", "127.0.0.1", "--out-dir", tmp_path).returncode == 1, "overwrites a key"


def test_gateway_without_a_file(world):
    """It prints the line for the other machine; that line works and is the same next time."""
    state = {"STATE_DIRECTORY": str(world.folder)}
    service = world.service()
    lines = []
    for turn in range(2):
        port = tunnel.free_port()
        gateway = world.add(tunnel.Program.__new__(tunnel.Program))
        tunnel.Process.__init__(
            gateway,
            [tunnel.BIN, "gateway", "--listen", f"127.0.0.1:{port}", "--engine", world.engine],
            f"gateway {turn}",
            env=state,
        )
        gateway.wait_listening(port)
        line = gateway.wait_line("tunnel client 'tls-tunnel://")
        url = re.search(r"tls-tunnel://[^\s']+", line).group(0)
        lines.append(re.sub(r"@[^?]*", "", url))
        url = re.sub(r"@[^?]*", f"@127.0.0.1:{port}", url)
        published = tunnel.free_port()
        client = world.add(tunnel.Program.__new__(tunnel.Program))
        tunnel.Process.__init__(
            client,
            [
                tunnel.BIN,
                "client",
                url,
                "--publish",
                f"web={published}:127.0.0.1:{service.port}",
                "--engine",
                world.engine,
            ],
            f"client {turn}",
            env=state,
        )
        client.wait_listening(published)
        transfer(published, 1000, 1 << 20)
        gateway.kill()
        client.kill()
    assert lines[0] == lines[1] and "pin=sha256:" in lines[0]
    for file in world.folder.iterdir():
        if file.is_file() and "cert" not in file.name:
            assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, f"{file.name} can be read by others"


def test_io_uring_forbidden(world):
    """auto falls back by itself and says so; a demand for io_uring is an error with its cause."""
    forbidden = {"before": seccomp.refuse_io_uring}
    service = world.service()
    world.engine = "auto"
    gateway = world.gateway(options=forbidden).ready()
    port = tunnel.free_port()
    client = world.client(
        gateway, proxies=[tunnel.proxy("web", port, service.port)], options=forbidden
    ).ready()
    transfer(port, 4 << 20, 4 << 20)
    for process in (gateway, client):
        assert len(process.matching("epoll")) >= 1 and process.matching("io_uring"), process.log()
    world.engine = "io_uring"
    refused = world.gateway(name="refused", options=forbidden)
    assert refused.wait_exit() == 1
    assert refused.matching("io_uring"), refused.log()


def test_source_of_logs_is_clean(world):
    """Hostile names reach the log escaped: one line each, no control characters."""
    gateway = world.gateway().ready()
    with yamux.dial(gateway.port) as session:
        session.login([yamux.published('evil\n\x1b[31m"name"', tunnel.free_port())])
        session.tell({"jsonrpc": "2.0", "method": 'evil\n{"level":"error"}', "params": None})
        session.pump(lambda: session.ended, 5)
    tunnel.until(lambda: gateway.endings(session.peer), gateway.log)
    for line in gateway.lines:
        assert isinstance(json.loads(line), dict) and "\x1b" not in line, line
