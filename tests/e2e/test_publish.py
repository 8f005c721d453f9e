"""A published port: content in both directions, many connections, programs that people run behind it."""

import hashlib
import http.server
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import tunnel
from proxy import Proxy
from traffic import Content, User, exactly, start_users, transfer

BULK = (1 << 30) if tunnel.FULL else (256 << 20)
EDGES = [
    0,
    1,
    2,
    125,
    127,
    16371,
    16372,
    16373,
    16383,
    16384,
    16385,
    65535,
    65537,
    262143,
    262144,
    262145,
    (1 << 20) - 1,
    (1 << 20) + 1,
]


class Pages(http.server.BaseHTTPRequestHandler):
    """Serves and takes one large body."""

    body = bytes(Content(7, 1, 1 << 20).piece(1 << 18)) * 80

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def do_PUT(self):
        size = int(self.headers["Content-Length"])
        digest = hashlib.sha256(self.rfile.read(size)).hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(digest)))
        self.end_headers()
        self.wfile.write(digest)

    def log_message(self, *_):
        pass


def test_curl(world):
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    world.closers.append(server.shutdown)
    gateway = world.gateway().ready()
    port = tunnel.free_port()
    world.client(gateway, proxies=[tunnel.proxy("web", port, server.server_port)]).ready()
    url = f"http://127.0.0.1:{port}/"
    got = subprocess.run(["curl", "-sS", "--max-time", "60", url], capture_output=True)
    assert got.returncode == 0, got.stderr
    assert got.stdout == Pages.body
    file = world.folder / "body"
    file.write_bytes(Pages.body)
    put = subprocess.run(["curl", "-sS", "--max-time", "60", "-T", file, url], capture_output=True)
    assert put.stdout.decode() == hashlib.sha256(Pages.body).hexdigest(), put.stderr


@pytest.mark.parametrize("direction", ["down", "up", "both"])
def test_bulk(world, direction):
    _, _, port, service = world.published()
    size = BULK if direction != "both" else BULK // 2
    began = time.monotonic()
    transfer(port, size if direction != "down" else 0, size if direction != "up" else 0)
    print(f"{direction}: {size / (time.monotonic() - began) / 2**20:.0f} MiB/s")
    assert not service.faults()


def test_sizes_at_the_edges(world):
    _, _, port, service = world.published()
    for size in EDGES:
        transfer(port, size, size)
        transfer(port, size, 0)
        transfer(port, 0, size)
    assert not service.faults()


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_gateway_behind_a_proxy(world, kind):
    way = Proxy(kind, "user", "pass")
    world.closers.append(way.close)
    gateway, _, port, service = world.published(upstream_proxy=way.url("user", "pass"))
    transfer(port, 500_000, 500_000)
    assert way.asked == [("127.0.0.1", gateway.port)] and not way.strangers
    assert not service.faults()


def test_thousand_short_connections(world):
    gateway, client, port, service = world.published()
    transfer(port)
    before = gateway.descriptors(), client.descriptors()

    def hundred():
        for _ in range(125):
            User.finish(_started(User(port, 100, 1000)))

    threads = [threading.Thread(target=_keep_failure(hundred, failures := [])) for _ in range(8)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    print(f"{1000 / (time.monotonic() - began):.0f} connections/s")
    assert service.accepted >= 1001 and not service.faults()
    tunnel.until(
        lambda: (gateway.descriptors(), client.descriptors()) <= before,
        lambda: f"descriptors back from {gateway.descriptors()}, {client.descriptors()} to {before}",
    )


def _started(user):
    user.start()
    return user


def _keep_failure(function, failures):
    def run():
        try:
            function()
        except AssertionError as failure:
            failures.append(failure)

    return run


def test_hundred_streams_at_once(world):
    _, _, port, service = world.published()
    for user in start_users(100, port, 1 << 20, 1 << 20):
        user.finish()
    assert not service.faults() and len(service.outcomes) == 100


def test_two_workers(world):
    """A link may be on one worker and users on another; content must not notice."""
    _, _, port, service = world.published(gateway={"top": {"cores": 2}}, top={"cores": 2})
    for user in start_users(20, port, 4 << 20, 4 << 20):
        user.finish()
    assert not service.faults()


def test_redis(world):
    if not shutil.which("redis-server") or not shutil.which("redis-benchmark"):
        pytest.skip("redis-server or redis-benchmark is not installed")
    local = tunnel.free_port()
    redis = world.add(
        tunnel.Process(
            [
                "redis-server",
                "--port",
                local,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
                world.folder,
            ],
            "redis",
        )
    )
    redis.wait_listening(local)
    gateway = world.gateway().ready()
    port = tunnel.free_port()
    world.client(gateway, proxies=[tunnel.proxy("redis", port, local)]).ready()
    ran = subprocess.run(
        [
            "redis-benchmark",
            "-p",
            str(port),
            "-n",
            "20000",
            "-c",
            "50",
            "-d",
            "512",
            "-t",
            "set,get,lrange_100",
            "-q",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    print(ran.stdout.replace("\r", "\n").splitlines()[-3:])
    assert ran.returncode == 0 and "Error" not in ran.stdout + ran.stderr, ran.stdout + ran.stderr
    assert ran.stdout.count("requests per second") >= 3, ran.stdout


@pytest.mark.parametrize("who", ["gateway", "client"])
def test_sigterm_lets_running_transfers_finish(world, who):
    gateway, client, port, _ = world.published()
    user = _started(User(port, 0, 128 << 20))
    assert user.moving.wait(tunnel.WAIT)
    process = gateway if who == "gateway" else client
    process.signal(signal.SIGTERM)
    user.finish()
    assert process.wait_exit() == 0, process.log()


def test_second_sigterm_stops_at_once(world):
    gateway, _, port, _ = world.published()
    with socket.create_connection(("127.0.0.1", port)) as user:
        user.sendall(b"x")
        gateway.signal(signal.SIGTERM)
        tunnel.until(lambda: not tunnel.is_listening(gateway.port), "the listener to go")
        gateway.signal(signal.SIGTERM)
        gateway.wait_exit(5)
        user.settimeout(5)
        # What was cut off must not look like a clean end.
        with pytest.raises(ConnectionResetError):
            user.recv(1)


def test_no_local_service_resets_the_user(world):
    """The client tries as often as it was told, then the user sees the end; the next one is served."""
    gateway = world.gateway().ready()
    port, local = tunnel.free_port(), tunnel.free_port()
    client = world.client(gateway, proxies=[tunnel.proxy("web", port, local)], local_retries=1).ready()
    with socket.create_connection(("127.0.0.1", port)) as user:
        user.settimeout(10)
        try:
            assert user.recv(1) == b""
        except ConnectionResetError:
            pass
    assert client.matching("refused"), client.log()
