"""TLS Tunnel's transports: the same service over each, one port for all, a proxy in front, and strangers."""

import http.client
import json
import socket
import ssl
import subprocess

import pytest

import linksocks
import tunnel
import websocket
from nginx import Nginx
from traffic import start_users, transfer
from yamux import PING, SYN, frame

TRANSPORTS = ["tls", "wss", "http2"]
PLAIN = {"plaintext": True, "gateway_tls_cert": None}


def published(world, transport, gateway=None, **client):
    """As world.published, over that transport."""
    return world.published(gateway=gateway or {}, transport=transport, **client)


def clear_gateway(world, **more):
    """A gateway that is in clear, for a proxy in front of it."""
    port = tunnel.free_port()
    section = {
        "listen_addr": f"127.0.0.1:{port}",
        "behind_proxy": True,
        "tls_tunnel": {"auth_key": tunnel.KEY, "transports": ["wss", "http2"]},
        **more,
    }
    made = world.add(tunnel.Program(world.folder, "gateway", {"gateway": section}, world.engine))
    made.port, made.address = port, section["listen_addr"]
    return made.wait_listening(port)


def tls_socket(port, alpn=None):
    """A socket of TLS, which trusts everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(alpn)
    raw = socket.create_connection(("127.0.0.1", port), tunnel.WAIT)
    return context.wrap_socket(raw)


def upgraded(sock, path="/", headers=()):
    """The socket behind an upgrade of the original's kind, and the lines of the answer."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: gateway.example.com",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *headers,
    ]
    sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
    answer, rest = websocket.read_head(sock)
    return websocket.Socket(sock, True, rest), answer


BARE = [
    "HTTP/1.1 101 Switching Protocols",
    "connection: Upgrade",
    "upgrade: websocket",
    "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
]


# ---- the same over each ----


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_publish_and_visit(world, transport):
    gateway, client, port, service = published(world, transport)
    bind = tunnel.free_port()
    world.client(
        gateway, name="visiting", visitors=[tunnel.visitor("web", port, bind)], transport=transport
    ).ready()
    for way in (port, bind):
        transfer(way, 3 << 20, 1)
        transfer(way, 1, 3 << 20)
        users = start_users(20, way, 100000, 100000)
        for user in users:
            user.finish()
    if transport != "tls":
        assert gateway.matching("link up") or client.matching("link up")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_each_end_is_killed_and_comes_back(world, transport):
    gateway, client, port, service = published(world, transport)
    transfer(port, 1000, 1000)
    gateway.kill()
    tunnel.until(lambda: not tunnel.is_listening(port), "the published port to be closed")
    gateway = world.gateway(name="again", port=gateway.port).ready()
    tunnel.until(lambda: tunnel.is_listening(port), "the port to be published again")
    transfer(port, 100000, 100000)
    client.kill()
    gateway.wait_line("link ended")
    world.client(gateway, name="other", proxies=client.proxies, transport=transport).ready()
    transfer(port, 100000, 100000)


def test_transports_meet(world):
    """What one transport publishes is visited over the others."""
    gateway, client, port, service = published(world, "wss", path="/some/where?x=1")
    for transport in ("tls", "http2"):
        bind = tunnel.free_port()
        visitors = [tunnel.visitor("web", port, bind)]
        world.client(gateway, name=transport, visitors=visitors, transport=transport).ready()
        transfer(bind, 1 << 20, 1 << 20)


@pytest.mark.parametrize("transport", TRANSPORTS[1:])
def test_several_links(world, transport):
    gateway, client, port, service = published(world, transport, links=3)
    tunnel.until(lambda: len(client.matching("link up")) == 3, client.log)
    for user in start_users(12, port, 200000, 200000):
        user.finish()


@pytest.mark.parametrize("transport", TRANSPORTS[1:])
def test_in_clear(world, transport):
    gateway = clear_gateway(world)
    service, port = world.service(), tunnel.free_port()
    world.client(
        gateway, transport=transport, proxies=[tunnel.proxy("web", port, service.port)], **PLAIN
    ).ready()
    transfer(port, 1 << 20, 1 << 20)


# ---- what is refused, and how that is told ----


def test_a_transport_that_is_off(world):
    gateway = world.gateway(tls_tunnel={"transports": ["tls"]}).ready()
    proxies = [tunnel.proxy("web", tunnel.free_port(), 1)]
    client = world.client(gateway, transport="wss", path="/no", proxies=proxies)
    line = client.wait_line("404 Not Found")
    assert "check path and transport" in json.loads(line)["advice"]


def test_tls_is_off(world):
    gateway = world.gateway(tls_tunnel={"transports": ["wss"]}).ready()
    client = world.client(gateway, proxies=[tunnel.proxy("web", tunnel.free_port(), 1)])
    gateway.wait_line("transport tls, which is not among")
    client.wait_line("no link")


def test_a_gateway_that_does_not_answer(world):
    """The connection is there, the answer is not: the client gives up and says what it waited for."""
    listener = socket.create_server(("127.0.0.1", 0))
    client = world.client(
        f"127.0.0.1:{listener.getsockname()[1]}",
        transport="wss",
        proxies=[tunnel.proxy("web", tunnel.free_port(), 1)],
        **PLAIN,
    )
    record = json.loads(client.wait_line("did not agree to the transport in time", timeout=60))
    assert "check path and transport" in record["advice"]
    listener.close()


def test_a_page_for_nobody(world):
    """Whatever asks for a page gets 404 at once, on any path, over TLS and in clear."""
    gateway = world.gateway().ready()
    for path in ("/", "/favicon.ico", "/ws", "/socket", "/tunnel/?a=b"):
        sock = tls_socket(gateway.port, ["h2", "http/1.1"])
        assert sock.selected_alpn_protocol() == "http/1.1"
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n".encode())
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        assert answer.status == 404
        answer.read()
        sock.close()
    clear = clear_gateway(world)
    connection = http.client.HTTPConnection("127.0.0.1", clear.port, timeout=tunnel.WAIT)
    connection.request("GET", "/any")
    assert connection.getresponse().status == 404


def test_curl_gets_a_page_for_nobody(world):
    gateway = world.gateway().ready()
    for path in ("/", "/any/path"):
        code = subprocess.run(
            ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", f"https://{gateway.address}{path}"],
            capture_output=True,
            text=True,
            timeout=30,
        ).stdout
        assert code == "404"


def test_tls_tunnel_in_clear_is_refused(world):
    gateway = clear_gateway(world)
    with socket.create_connection(("127.0.0.1", gateway.port), tunnel.WAIT) as sock:
        sock.sendall(frame(PING, SYN, 0, 1))
        assert sock.recv(100) == b""
    gateway.wait_line("needs TLS")


# ---- the words on the wire ----


def test_the_answer_is_the_original_one(world):
    """Strict clients get what they insist on: these lines and no others, whether it waits or not."""
    section = {"tokens": [{"token": "F", "type": "forward"}]}
    for name, options in (("alone", {}), ("both", {"linksocks": section})):
        gateway = world.gateway(name=name, **options).ready()
        link, answer = upgraded(tls_socket(gateway.port), "/any")
        assert answer == BARE
        link.send(frame(PING, SYN, 0, 77))
        heard = b""
        while len(heard) < 24:  # its own Ping, and the answer to ours
            opcode, last, payload = link.frame()
            assert opcode == websocket.BINARY and last and payload
            heard += payload
        assert b"\0\0\0\x4d" in heard
        link.close()


def test_the_request_is_the_original_one(world):
    listener = websocket.Listener()
    world.client(
        f"localhost:{listener.port}",
        transport="wss",
        path="/tunnel/?a=b",
        proxies=[tunnel.proxy("web", tunnel.free_port(), 1)],
        **PLAIN,
    )
    link = listener.accept()
    assert link.request == "GET /tunnel/?a=b HTTP/1.1"
    names = ["host", "connection", "upgrade", "sec-websocket-version", "sec-websocket-key"]
    assert list(link.fields) == names
    assert [link.fields[n] for n in names[:4]] == ["localhost", "Upgrade", "websocket", "13"]
    opcode, last, payload = link.frame()
    assert opcode == websocket.BINARY and last and payload[:4] == b"\0\2\0\1"
    listener.close()


# ---- LinkSocks and TLS Tunnel on one port ----


@pytest.fixture
def both(world):
    section = {"tokens": [{"token": "F", "type": "forward"}]}
    return world.gateway(linksocks=section).ready()


def test_they_are_told_apart(world, both):
    service, port, socks = world.service(), tunnel.free_port(), tunnel.free_port()
    world.client(
        both, transport="wss", path="/x", proxies=[tunnel.proxy("web", port, service.port)]
    ).ready()
    link, answer = upgraded(tls_socket(both.port), "/x")
    assert answer == BARE
    link.send(linksocks.auth("F", False))
    opcode, _, payload = link.frame()
    assert opcode == websocket.BINARY and payload == linksocks.ACCEPTED
    transfer(port, 100000, 100000)
    ours = {
        "client": {
            "protocol": "linksocks",
            "gateway_addr": both.address,
            "gateway_tls_cert": str(world.certificate.cert),
            "token": "F",
            "path": "/y",
            "socks5": {"listen_addr": f"127.0.0.1:{socks}"},
        }
    }
    program = world.add(tunnel.Program(world.folder, "linksocks", ours, world.engine))
    assert "credit" in program.wait_line("logged in")
    link.close()


def test_they_are_told_apart_in_clear(world):
    gateway = clear_gateway(world, linksocks={"tokens": [{"token": "F", "type": "forward"}]})
    for first, answered in ((linksocks.auth("F", False), linksocks.ACCEPTED), (frame(PING, SYN, 0, 7), None)):
        plain = socket.create_connection(("127.0.0.1", gateway.port), tunnel.WAIT)
        link, answer = upgraded(plain, "/x")
        assert answer == BARE
        link.send(first)
        opcode, _, payload = link.frame()
        assert opcode == websocket.BINARY
        assert payload == answered if answered else payload[:4] == frame(PING, SYN, 0, 7)[:4]
        link.close()


def test_nothing_for_a_second_is_tls_tunnel(world, both):
    """Such a client waits for the gateway to speak, which it never does first: it is its link that counts."""
    link, answer = upgraded(tls_socket(both.port), "/x")
    assert answer == BARE
    with pytest.raises(websocket.Closed):
        link.frame()
    both.wait_line("did not authenticate in time")


@pytest.mark.parametrize("clear", [False, True])
def test_strangers_are_closed_with_1002(world, clear):
    section = {"tokens": [{"token": "F", "type": "forward"}]}
    gateway = clear_gateway(world, linksocks=section) if clear else world.gateway(linksocks=section).ready()
    firsts = [(b"hello", websocket.TEXT), (b"\2", websocket.BINARY), (b"\1\2", websocket.BINARY)]
    for payload, opcode in firsts:
        plain = clear and socket.create_connection(("127.0.0.1", gateway.port), tunnel.WAIT)
        link, answer = upgraded(plain or tls_socket(gateway.port), "/x")
        assert answer == BARE
        link.send(payload, opcode)
        with pytest.raises(websocket.Closed) as closed:
            link.receive()
        assert closed.value.code == 1002


def test_bytes_before_the_answer(world, both):
    """Not allowed, but nothing breaks: the bytes are the first message."""
    sock = tls_socket(both.port)
    head = b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    head += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    sock.sendall(head + websocket.frame(websocket.BINARY, frame(PING, SYN, 0, 77)))
    answer, rest = websocket.read_head(sock)
    assert answer == BARE
    assert websocket.Socket(sock, True, rest).frame()[0] == websocket.BINARY


# ---- behind a proxy ----


def test_behind_nginx(world):
    gateway = clear_gateway(world)
    front = world.add(Nginx(world.folder, world.certificate, gateway.port)).ready()
    service, port, bind = world.service(), tunnel.free_port(), tunnel.free_port()
    client = world.client(
        front.address, transport="wss", path="/tunnel/", proxies=[tunnel.proxy("web", port, service.port)]
    ).ready()
    world.client(
        front.address,
        name="visiting",
        transport="wss",
        path="/tunnel/",
        visitors=[tunnel.visitor("web", port, bind)],
    ).ready()
    transfer(port, 3 << 20, 3 << 20)
    transfer(bind, 1 << 20, 1 << 20)
    wrong = world.client(front.address, name="wrong", transport="wss", path="/", proxies=client.proxies)
    assert "check path" in json.loads(wrong.wait_line("answer to the WebSocket request is 418"))["advice"]


def test_whom_a_proxy_speaks_for(world):
    """The log names whom the proxy in front names last, and believes nobody else."""
    for trusted, told in (([], "127.0.0.1"), (["127.0.0.0/8"], "203.0.113.9")):
        gateway = world.gateway(name=f"gateway{len(trusted)}", trusted_proxies=trusted).ready()
        link, _ = upgraded(tls_socket(gateway.port), "/", ["X-Forwarded-For: 6.6.6.6, 203.0.113.9"])
        link.send(b"\0\3\0\0" + bytes(8))  # a GoAway before anything else
        link.send(b"\1")
        record = tunnel.until(lambda: gateway.endings(told), gateway.log)
        assert record[0]["peer"].startswith(told)
        link.close()


def test_whom_a_proxy_speaks_for_has_a_rate(world):
    """Behind a proxy over HTTP, too, one client uses up its own rate alone."""
    rate = {"requests_per_second": 1000, "burst_size": 1000, "per_source": 1}
    gateway = world.gateway(
        tls_tunnel={"rate_limit": rate}, trusted_proxies=["127.0.0.0/8"]
    ).ready()
    held = []
    for source in ["203.0.113.9"] * 20 + ["203.0.113.10"]:
        link, _ = upgraded(tls_socket(gateway.port), "/", [f"X-Forwarded-For: {source}"])
        link.send(b"\0\2\0\1" + bytes(8))  # a Ping
        held.append(link)
    tunnel.until(lambda: gateway.endings("203.0.113.9"), gateway.log)
    assert "per_source" in gateway.wait_line("a limit was reached")
    assert not gateway.endings("203.0.113.10")
    for link in held:
        link.close()
