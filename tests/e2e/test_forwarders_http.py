"""Forwarders that speak HTTP: CONNECT and whole URLs, with curl, http.client and raw sockets."""

import hashlib
import http.client
import http.server
import shutil
import socket
import subprocess
import threading

import pytest

import tunnel
from forwarding import forwarding
from traffic import end_of, start_users, transfer

needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
END = b"\r\n\r\n"


class Origin(http.server.BaseHTTPRequestHandler):
    """Answers with what it was sent; HTTP/1.1, so that chunks and 100-continue are what they are."""

    protocol_version = "HTTP/1.1"
    page = b"a page\n" * 100000
    seen = None  # the server's list of (request line, fields)

    def do_GET(self):
        self.seen.append((self.requestline, self.headers))
        self.answer(self.page)

    def do_HEAD(self):
        self.seen.append((self.requestline, self.headers))
        self.answer(self.page)

    def do_POST(self):
        self.seen.append((self.requestline, self.headers))
        self.answer(hashlib.sha256(self.body()).hexdigest().encode())

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return found

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def origin(world):
    """A server; its port, and what it was asked."""
    handler = type("OneOrigin", (Origin,), {"seen": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    world.closers += [server.shutdown, server.server_close]
    server.port, server.seen = server.server_address[1], handler.seen
    return server


def connect(proxy, port, host="127.0.0.1", timeout=60, behind=b""):
    """A socket that leads to the target; `behind` is sent with the request. Raises what the proxy says."""
    sock = socket.create_connection(("127.0.0.1", proxy), timeout)
    sock.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode() + behind)
    head = b""
    while not head.endswith(END):
        byte = sock.recv(1)
        assert byte, head
        head += byte
    if not head.startswith(b"HTTP/1.1 200 "):
        sock.close()
        raise OSError(head.split(b"\r\n")[0].decode())
    return sock


def dialer(proxy, host="127.0.0.1"):
    return lambda port, timeout: connect(proxy, port, host, timeout)


def ask(proxy, request):
    """What a request of these bytes is answered with, to the end: status, head, body."""
    with socket.create_connection(("127.0.0.1", proxy), 60) as sock:
        sock.sendall(request)
        answer, end = end_of(sock)
    assert end == "eof", (request, answer)
    head, _, body = answer.partition(END)
    return int(head.split(b" ")[1]) if head else None, head, body


def curl(*options):
    return subprocess.run(
        ["curl", "-sS", "-m", "30", *options], capture_output=True, env={"PATH": "/usr/bin:/bin"}
    )


# ---- tunnels ----


def test_content_through_connect(world):
    service = world.service()
    _, client, port = forwarding(world, kind="http")
    transfer(service.port, 16 << 20, 16 << 20, dial=dialer(port))
    for user in start_users(30, service.port, 1 << 20, 1 << 20, dial=dialer(port, "localhost")):
        user.finish()
    assert not service.faults() and service.accepted == 31
    assert not client.matching('"forward refused"'), client.log()


def test_bytes_behind_connect_are_the_first_of_the_tunnel(world):
    _, _, port = forwarding(world, kind="http")
    with socket.create_server(("127.0.0.1", 0)) as target:
        with connect(port, target.getsockname()[1], behind=b"all I have") as user:
            there, _ = target.accept()
            with there:
                user.shutdown(socket.SHUT_WR)
                assert end_of(there) == (b"all I have", "eof")
                there.sendall(b"answer")
                there.shutdown(socket.SHUT_WR)
                assert end_of(user) == (b"answer", "eof")


def test_connect_over_several_links(world):
    """Users are accepted by one worker and move, whole URLs with their heads."""
    service = world.service()
    cores = {"cores": 2}
    _, client, port = forwarding(world, kind="http", gateway_top=cores, top=cores, links=2)
    tunnel.until(lambda: len(client.matching('"link up"')) == 2, client.log)
    for user in start_users(40, service.port, 1 << 18, 1 << 18, dial=dialer(port)):
        user.finish()
    assert not service.faults()


# ---- curl ----


@needs_curl
@pytest.mark.parametrize("way", [(), ("--proxytunnel",), ("--http1.0",), ("-0", "--proxytunnel")])
def test_curl_gets(world, origin, way):
    _, _, port = forwarding(world, kind="http")
    found = curl("-x", f"http://127.0.0.1:{port}", *way, f"http://localhost:{origin.port}/a?b=c")
    assert found.returncode == 0 and found.stdout == Origin.page, found
    line, fields = origin.seen[0]
    assert line.startswith("GET /a?b=c HTTP/1.")
    assert fields["Host"] == f"localhost:{origin.port}"
    assert "Proxy-Connection" not in fields and "Via" not in fields
    if "--proxytunnel" not in way:
        assert fields.get_all("Connection") == ["close"]


@needs_curl
@pytest.mark.parametrize("tunnelled", [(), ("--proxytunnel",)])
@pytest.mark.parametrize("how", [(), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect: 100-continue")])
def test_curl_posts(world, origin, tmp_path, how, tunnelled):
    _, _, port = forwarding(world, kind="http")
    body = b"0123456789abcdef" * 200000
    (tmp_path / "body").write_bytes(body)
    found = curl(
        "-x", f"127.0.0.1:{port}", *tunnelled, *how,
        "--data-binary", f"@{tmp_path / 'body'}", f"http://127.0.0.1:{origin.port}/post",
    )  # fmt: skip
    assert found.returncode == 0 and found.stdout.decode() == hashlib.sha256(body).hexdigest(), found


@needs_curl
def test_curl_head_and_several_urls(world, origin):
    """Each URL gets a connection of its own, and curl is told so."""
    _, _, port = forwarding(world, kind="http")
    url = f"http://127.0.0.1:{origin.port}/"
    found = curl("-x", f"127.0.0.1:{port}", "-I", url)
    assert found.returncode == 0 and found.stdout.startswith(b"HTTP/1.1 200 "), found
    found = curl("-x", f"127.0.0.1:{port}", url + "1", url + "2", url + "3")
    assert found.returncode == 0 and found.stdout == 3 * Origin.page, found
    assert [line for line, _ in origin.seen][1:] == [f"GET /{n} HTTP/1.1" for n in (1, 2, 3)]


@needs_curl
def test_curl_hears_of_refusals(world):
    gateway, client, port = forwarding(world, kind="http")
    closed = tunnel.free_port()
    found = curl("-x", f"127.0.0.1:{port}", "-i", f"http://127.0.0.1:{closed}/")
    assert found.returncode == 0 and found.stdout.startswith(b"HTTP/1.1 502 "), found
    assert b"refused" in found.stdout.lower()
    found = curl("-x", f"127.0.0.1:{port}", "--proxytunnel", f"http://127.0.0.1:{closed}/")
    assert found.returncode == 56 and b"502" in found.stderr, found
    client.wait_line('"forward refused".*connection refused')


# ---- http.client ----


def test_http_client(world, origin):
    _, _, port = forwarding(world, kind="http")
    tunnelled = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    tunnelled.set_tunnel("localhost", origin.port)
    for path in ("/1", "/2"):  # one connection for both
        tunnelled.request("GET", path)
        assert tunnelled.getresponse().read() == Origin.page
    tunnelled.close()
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body, chunked in ((b"x" * 100000, False), (iter([b"a" * 5000, b"b" * 70000]), True)):
        expected = hashlib.sha256(b"a" * 5000 + b"b" * 70000 if chunked else body).hexdigest()
        plain.request("POST", f"http://localhost:{origin.port}/", body, encode_chunked=chunked)
        assert plain.getresponse().read().decode() == expected
    plain.close()


def test_like_a_browser(world, origin):
    """Six connections at once, again and again, of both forms."""
    _, client, port = forwarding(world, kind="http")
    wrong = []

    def browse(number):
        try:
            for turn in range(10):
                conn = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                if (number + turn) % 2:
                    conn.set_tunnel("127.0.0.1", origin.port)
                    conn.request("GET", f"/{number}/{turn}")
                else:
                    conn.request("GET", f"http://127.0.0.1:{origin.port}/{number}/{turn}")
                assert conn.getresponse().read() == Origin.page
                conn.close()
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=browse, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not wrong and len(origin.seen) == 60, (wrong, client.log())


# ---- raw sockets ----


def test_what_goes_on_byte_by_byte(world):
    _, _, port = forwarding(world, kind="http")
    with socket.create_server(("127.0.0.1", 0)) as target:
        at = target.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as user:
            head = (
                f"PUT http://127.0.0.1:{at}/p?q HTTP/1.1\r\nHost: 127.0.0.1:{at}\r\nX-B: 1\r\nx-a: 2\r\n"
                "X-B: 3\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 4\r\nProxy-Authorization: Basic eDp5\r\n"
                "Transfer-Encoding: chunked\r\n\r\n"
            )
            body = b"3;a=b\r\nabc\r\n0\r\nT: v\r\n\r\n"
            for byte in head.encode() + body:
                user.send(bytes([byte]))
            user.sendall(b"GET http://elsewhere/ HTTP/1.1\r\n")
            there, _ = target.accept()
            with there:
                expected = (
                    f"PUT /p?q HTTP/1.1\r\nHost: 127.0.0.1:{at}\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\n"
                    "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                ).encode() + body
                found = b""
                while len(found) < len(expected):
                    found += there.recv(65536)
                assert found == expected
                there.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            told = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
            assert end_of(user) == (told, "eof")


AMBIGUOUS = [
    b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"X: a\r\n Content-Length: 5\r\n\r\n",
    b"X: a\nContent-Length: 5\r\n\r\n",
    b"X: a\rContent-Length: 5\r\n\r\n",
    b"X: \0\r\n\r\n",
    b"Host: elsewhere\r\n\r\n",
    b"Connection: content-length\r\nContent-Length: 1\r\n\r\nx",
    b"\n",
]


def test_ambiguous_heads_reach_nobody(world):
    gateway, client, port = forwarding(world, kind="http")
    with socket.create_server(("127.0.0.1", 0)) as target:
        host = b"127.0.0.1:%d" % target.getsockname()[1]
        for rest in AMBIGUOUS:
            request = b"POST http://%s/ HTTP/1.1\r\nHost: %s\r\n%s" % (host, host, rest)
            status, head, body = ask(port, request)
            assert status == 400 and b"Connection: close" in head and body, (request, head)
        for request, status in (
            (b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host, 400),
            (b"OPTIONS * HTTP/1.1\r\nHost: %s\r\n\r\n" % host, 400),
            (b"GET https://%s/ HTTP/1.1\r\nHost: %s\r\n\r\n" % (host, host), 400),
            (b"CONNECT 127.0.0.1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
            (b"GET http://%s/ HTTP/3.0\r\nHost: %s\r\n\r\n" % (host, host), 505),
            (b"GET http://%s/ HTTP/1.1\r\nHost: %s\r\nX: %s" % (host, host, b"x" * 20000), 431),
        ):
            found, head, body = ask(port, request)
            assert found == status and body, (request[:100], head)
        target.settimeout(0.1)
        with pytest.raises(socket.timeout):
            target.accept()
    assert not gateway.matching("forward"), gateway.log()


@pytest.mark.parametrize(
    "first, word", [(b"\x16\x03\x01\x02\x00\x01", "TLS"), (b"\x05\x01\x00", "SOCKS")], ids=["tls", "socks"]
)
def test_other_protocols_are_told_nothing(world, first, word):
    _, client, port = forwarding(world, kind="http")
    status, head, _ = ask(port, first)
    assert status is None and not head
    client.wait_line(f"forwarder user refused.*speaks {word}")


# ---- where targets leave, and what is refused ----


def test_statuses_of_refusals(world):
    routing = {
        "proxy_domains": ["gateway.invalid"], "proxy_ips": ["127.0.0.0/8"], "default_strategy": "reject"
    }  # fmt: skip
    gateway, client, port = forwarding(world, kind="http", routing=routing)
    closed = tunnel.free_port()

    def both(host, at):
        url = b"GET http://%s:%d/ HTTP/1.1\r\nHost: %s:%d\r\n\r\n" % (host, at, host, at)
        way = b"CONNECT %s:%d HTTP/1.1\r\nHost: %s:%d\r\n\r\n" % (host, at, host, at)
        statuses = {ask(port, request)[0] for request in (url, way)}
        assert len(statuses) == 1, (host, statuses)
        return statuses.pop()

    assert both(b"127.0.0.1", closed) == 502
    assert both(b"192.0.2.1", 80) == 403
    assert both(b"127.0.0.1", gateway.port) == 403
    assert both(b"gateway.invalid", 80) in (502, 504)
    gateway.kill()
    client.wait_line("link lost")
    assert both(b"127.0.0.1", closed) in (502, 503)


def test_direct_targets(world, origin):
    service = world.service()
    gateway, _, port = forwarding(
        world, kind="http", access=None, routing={"direct_ips": ["127.0.0.0/8"]}
    )
    transfer(service.port, 1 << 20, 1 << 20, dial=dialer(port))
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    conn.request("GET", f"http://localhost:{origin.port}/")
    assert conn.getresponse().read() == Origin.page
    conn.close()
    assert not gateway.matching('"forward refused"'), gateway.log()


def test_target_that_dies_before_it_answers(world):
    _, _, port = forwarding(world, kind="http")
    with socket.create_server(("127.0.0.1", 0)) as target:
        host = b"127.0.0.1:%d" % target.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as user:
            user.sendall(b"GET http://%s/ HTTP/1.1\r\nHost: %s\r\n\r\n" % (host, host))
            there, _ = target.accept()
            there.recv(65536)
            there.close()
            answer, end = end_of(user)
            assert answer.startswith(b"HTTP/1.1 502 ") and end == "eof"


def test_client_leaves_in_its_body(world):
    """The target must not take the part for the whole."""
    _, _, port = forwarding(world, kind="http")
    with socket.create_server(("127.0.0.1", 0)) as target:
        host = b"127.0.0.1:%d" % target.getsockname()[1]
        user = socket.create_connection(("127.0.0.1", port))
        user.sendall(b"POST http://%s/ HTTP/1.1\r\nHost: %s\r\nContent-Length: 9\r\n\r\nhalf" % (host, host))
        there, _ = target.accept()
        with there:
            found = b""
            while not found.endswith(b"half"):
                found += there.recv(65536)
            user.close()
            assert end_of(there) == (b"", "reset")
