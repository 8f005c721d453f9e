"""The command line of LinkSocks: by its name, by flags and by variables, with its output and status."""

import os
import re
import signal
import socket
import socketserver
import ssl
import struct
import subprocess
import threading

import pytest

import tunnel

VARIABLES = {name: "" for name in os.environ if name.startswith("LINKSOCKS_")}
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


class Back(socketserver.BaseRequestHandler):
    def handle(self):
        while piece := self.request.recv(65536):
            self.request.sendall(piece)


class Echo(socketserver.ThreadingTCPServer):
    daemon_threads = True

    @property
    def port(self):
        return self.server_address[1]


@pytest.fixture
def program(world, tmp_path):
    """The program under the original's name."""
    link = tmp_path / "linksocks"
    link.symlink_to(tunnel.BIN)

    def start(*args, **env):
        process = tunnel.Process([link, *args], "linksocks", {**VARIABLES, **env})
        return world.add(process)

    return start


@pytest.fixture
def echo(world):
    """A port whose bytes come back."""
    service = Echo(("127.0.0.1", 0), Back)
    threading.Thread(target=service.serve_forever, args=(0.05,), daemon=True).start()
    world.closers.append(service.shutdown)
    return service


def ask(port, host, target_port, login=None):
    """The reply to CONNECT, and the socket."""
    sock = socket.create_connection(("127.0.0.1", port), tunnel.WAIT)
    sock.sendall(b"\5\1" + (b"\2" if login else b"\0"))
    assert sock.recv(2) == (b"\5\2" if login else b"\5\0")
    if login:
        user, password = login
        sock.sendall(bytes([1, len(user)]) + user + bytes([len(password)]) + password)
        assert sock.recv(2) == b"\1\0"
    sock.sendall(b"\5\1\0\3" + bytes([len(host)]) + host.encode() + struct.pack(">H", target_port))
    reply = b""
    while len(reply) < 10:
        part = sock.recv(10 - len(reply))
        assert part, reply
        reply += part
    return reply[1], sock


def passes(port, target_port, login=None):
    """Bytes go there and back."""
    reply, sock = ask(port, "127.0.0.1", target_port, login)
    with sock:
        assert reply == 0
        sock.sendall(b"hello")
        got = b""
        while len(got) < 5:
            got += sock.recv(5)
        assert got == b"hello"


def request(port, head, tls=None):
    with socket.create_connection(("127.0.0.1", port), tunnel.WAIT) as plain:
        sock = tls.wrap_socket(plain) if tls else plain
        sock.sendall((head + "\r\n").encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = sock.recv(4096)
            if not part:
                break
            answer += part
        return answer.split(b"\r\n")[0].decode()


def run(program, *args, **env):
    """Status, standard output and standard error together."""
    process = program(*args, **env)
    code = process.wait_exit()
    return code, "\n".join(process.lines)


def test_forward(program, echo):
    port, socks = tunnel.free_port(), tunnel.free_port()
    server = program("server", "-H", "127.0.0.1", f"-P{port}", "-t", "canary-token")
    for line in ("^Configuration:$", "^  Mode: forward$", "^  Token: canary-token$"):
        server.wait_line(line)
    server.wait_line("^LinkSocks server started$")
    client = program("client", "--token=canary-token", "-u", f"ws://127.0.0.1:{port}", "-p", socks)
    client.wait_line("^Authentication successful for forward proxy$")
    client.wait_line("^SOCKS5 server started$")
    passes(socks, echo.port)
    for process in (server, client):
        with open(f"/proc/{process.pid}/cmdline", "rb") as line:
            assert b"canary" not in line.read()
    assert ask(socks, "169.254.169.254", 80)[0] == 4
    assert ask(socks, "127.0.0.1", port)[0] == 4, "the server's own listener"
    client.stop()
    server.stop()


def test_tokens_that_go_nowhere_are_not_in_the_log(program):
    """Without an API its path is not found; with a digest that is wrong nobody logs in."""
    port = tunnel.free_port()
    server = program("server", "-H", "127.0.0.1", f"-P{port}", "-t", "token-of-mine")
    server.wait_line("^LinkSocks server started$")
    digest = "c0ffee" * 10 + "c0fe"
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    upgrade += "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"
    for line, more in (
        ("DELETE /api/token/canary", ""),
        ("GET /elsewhere?token=canary", ""),
        ("GET /nowhere?token=canary", upgrade),
        (f"GET /socket?token={digest}", upgrade),
        ("GET /socket?token=canary", ""),
    ):
        request(port, f"{line} HTTP/1.1\r\nHost: h\r\n{more}")
    server.wait_line("login refused")
    server.wait_line("/api/token")
    server.stop()
    assert "canary" not in server.log() and "c0ffee" not in server.log()


def test_reverse_by_variables(program, echo):
    port, socks, own = tunnel.free_port(), tunnel.free_port(), tunnel.free_port()
    common = {"LINKSOCKS_URL": f"ws://127.0.0.1:{port}"}
    server = program(
        "-r",
        LINKSOCKS_MODE="server",
        LINKSOCKS_WEBSOCKET_HOST=" 127.0.0.1 ",
        LINKSOCKS_WEBSOCKET_PORT=str(port),
        LINKSOCKS_TOKEN="T",
        LINKSOCKS_CONNECTOR_TOKEN="C",
        LINKSOCKS_SOCKS_PORT=str(socks),
        LINKSOCKS_SOCKS_USERNAME="user",
        LINKSOCKS_SOCKS_PASSWORD="pass",
    )
    server.wait_line("^  Mode: reverse$")
    server.wait_line(f"^  SOCKS5 port: {socks}$")
    server.wait_line("^  Connector Token: C$")
    server.wait_line("^LinkSocks server started$")
    provider = program(LINKSOCKS_MODE="Reverse", LINKSOCKS_TOKEN="T", **common)
    provider.wait_line("^Authentication successful for reverse proxy$")
    connector = program("-t", "C", LINKSOCKS_MODE="connector", LINKSOCKS_SOCKS_PORT=str(own), **common)
    connector.wait_line("^SOCKS5 server started$")
    server.wait_listening(socks)
    passes(socks, echo.port, (b"user", b"pass"))
    passes(own, echo.port)


def test_autonomy_and_api(program, echo):
    port, socks, other = tunnel.free_port(), tunnel.free_port(), tunnel.free_port()
    url = f"ws://127.0.0.1:{port}"
    server = program("server", "-raH", "127.0.0.1", "-P", port, "-tT")
    server.wait_line("^  Connector autonomy: enabled$")
    server.wait_line("^LinkSocks server started$")
    program("provider", "-t", "T", "-c", "mine", "-u", url).wait_line("^Authentication successful")
    connector = program("connector", "-t", "mine", "-u", url, "-p", socks)
    connector.wait_line("^SOCKS5 server started$")
    passes(socks, echo.port)
    server = program("server", "-H127.0.0.1", "-P", other, "-k", "key", "-t", "ignored")
    server.wait_line("^LinkSocks server started$")
    assert not server.matching("Token:")
    assert " 401 " in request(other, "GET /api/status HTTP/1.1\r\nHost: h\r\n")
    assert " 200 " in request(other, "GET /api/status HTTP/1.1\r\nHost: h\r\nX-API-Key: key\r\n")


def test_status(program, world):
    assert run(program)[0] == 0
    code, text = run(program, "help", "server")
    assert code == 0 and "--ws-port" in text
    assert re.search("^linksocks version v1", run(program, "version")[1])
    for args in (["nonsense"], ["client", "-Z"], ["client", "-p", "x"], ["server", "-P", "70000"],
                 ["client", "--direct-mode", "direct-only"], ["client", "-u", "ftp://h"]):
        code, text = run(program, *args)
        assert code == 1 and text.startswith("linksocks: "), text
    assert run(program, "client", LINKSOCKS_RETRY_AUTH="maybe")[0] == 1
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, text = run(program, "server", "-H", "127.0.0.1", "-P", taken.getsockname()[1])
        assert code == 1 and "another process listens there" in text, text


def test_clients_that_give_up(program):
    port = tunnel.free_port()
    server = program("server", "-H", "127.0.0.1", "-P", port, "-t", "T")
    server.wait_line("^LinkSocks server started$")
    url = f"ws://127.0.0.1:{port}"
    code, text = run(program, "client", "-t", "wrong", "-u", url, "-p", tunnel.free_port())
    assert code == 1 and "invalid token" in text, text
    client = program("client", "-R", "-t", "T", "-u", url, "-p", tunnel.free_port())
    client.wait_line("^SOCKS5 server started$")
    server.signal(signal.SIGKILL)
    assert client.wait_exit() == 1
    patient = program("client", "-t", "T", "-u", url, "-p", tunnel.free_port())
    patient.wait_line("retry_ms")
    patient.stop()


def test_one_tls_port_for_both(world, echo):
    gateway = world.gateway(
        top={"access": {"deny": []}},
        allow_origins=["https://good.example"],
        linksocks={"tokens": [{"token": "T", "type": "forward"}]},
    ).ready()
    published, socks = tunnel.free_port(), tunnel.free_port()
    world.client(gateway, proxies=[tunnel.proxy("web", published, echo.port)]).ready()
    url = f"linksocks://T@{gateway.address}?ca={world.certificate.cert}"
    client = world.add(tunnel.Process([tunnel.BIN, "client", url, "--socks", f"127.0.0.1:{socks}"], "client"))
    client.wait_listening(socks)
    with open(f"/proc/{client.pid}/cmdline", "rb") as line:
        assert b"linksocks://" not in line.read()
    passes(socks, echo.port)
    with socket.create_connection(("127.0.0.1", published), tunnel.WAIT) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    tls = ssl.create_default_context(cafile=str(world.certificate.cert))
    tls.check_hostname = False
    for head, status in {
        "GET / HTTP/1.1\r\nHost: h\r\n": 404,
        "GET /socket HTTP/1.1\r\nHost: h\r\n": 400,
        f"GET /socket HTTP/1.1\r\nHost: h\r\n{UPGRADE}": 101,
        f"GET /socket HTTP/1.1\r\nHost: h\r\nOrigin: https://good.example\r\n{UPGRADE}": 101,
        f"GET /socket HTTP/1.1\r\nHost: h\r\nOrigin: https://bad.example\r\n{UPGRADE}": 403,
        "GET /api/status HTTP/1.1\r\nHost: h\r\n": 404,
        "GET / HTTP/1.1\r\nHost : h\r\n": 400,
    }.items():
        assert request(gateway.port, head, tls).startswith(f"HTTP/1.1 {status} "), head


def test_no_tls_port(world, tmp_path):
    """Behind a proxy that does TLS: no certificate, nothing kept."""
    port = tunnel.free_port()
    gateway = world.add(
        tunnel.Program(
            tmp_path,
            "clear",
            {
                "gateway": {
                    "listen_addr": "",
                    "linksocks": {"listen_addr": f"127.0.0.1:{port}", "api_key": "k"},
                }
            },
            world.engine,
        )
    )
    gateway.wait_listening(port)
    assert " 200 " in request(port, "GET / HTTP/1.1\r\nHost: h\r\n")
    assert not list(tmp_path.glob("*.pem"))


def test_the_file_is_told(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("gateway:\n  linksocks:\n    tokens: [{token: anonymous, type: forward}]\n")
    ran = subprocess.run([tunnel.BIN, "check", file], capture_output=True, text=True, timeout=30)
    assert ran.returncode == 1 and ":3:22: token: the word anonymous is reserved" in ran.stderr
