"""The admin HTTP API, by the examples of the original's documentation."""

import json
import socket

import pytest

import socks5
import tunnel
from linksocks_programs import Client, Server
from traffic import transfer
from websocket import read_head


@pytest.fixture
def server(world):
    return world.add(Server(world.folder, world.engine, world.certificate, [], api_key="secret-key")).ready()


def ask(server, method, path, body=None, key="secret-key"):
    """(status line, headers, body)"""
    payload = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"{method} {path} HTTP/1.1", f"Host: {server.address}"]
    if key is not None:
        head.append(f"X-API-Key: {key}")
    if payload:
        head += ["Content-Type: application/json", f"Content-Length: {len(payload)}"]
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        sock.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + payload)
        lines, rest = read_head(sock)
        fields = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        while len(rest) < int(fields.get("content-length", 0)):
            rest += sock.recv(65536)
    return lines[0], fields, rest


def test_key_comes_first(server):
    for key in [None, "", "wrong"]:
        for method, path in [("GET", "/api/status"), ("POST", "/api/token"), ("PUT", "/api/status")]:
            status, fields, body = ask(server, method, path, key=key)
            assert status == "HTTP/1.1 401 Unauthorized"
            assert body == b'{"success":false,"error":"invalid API key"}\n'


def test_root_tells_what_runs(server):
    status, fields, body = ask(server, "GET", "/", key=None)
    assert status == "HTTP/1.1 200 OK" and fields["content-type"] == "text/plain; charset=utf-8"
    assert body == b"LinkSocks v1.8.9 is running. API endpoints available at /api/*\n"


def test_status_is_empty_at_first(server):
    status, fields, body = ask(server, "GET", "/api/status")
    assert status == "HTTP/1.1 200 OK" and fields["content-type"] == "application/json"
    assert body == b'{"version":"v1.8.9","tokens":[],"direct":{"enabled":false}}\n'


def test_forward_token(world, server):
    made = ask(server, "POST", "/api/token", {"type": "forward", "token": "F"})
    assert made[0] == "HTTP/1.1 200 OK" and made[2] == b'{"success":true,"token":"F"}\n'
    again = ask(server, "POST", "/api/token", {"type": "forward", "token": "F"})
    assert again[0] == "HTTP/1.1 200 OK" and again[2] == b'{"success":false,"error":"token already exists"}\n'
    client = world.add(Client(world.folder, world.engine, server.address, "F")).ready()
    service = world.service()
    transfer(service.port, 1000, 1000, dial=socks5.dialer(client.socks))
    tokens = json.loads(ask(server, "GET", "/api/status")[2])["tokens"]
    assert tokens == [{"token": "F", "type": "forward", "clients_count": 1}]
    gone = ask(server, "DELETE", "/api/token/F")
    assert gone[2] == b'{"success":true,"token":"F"}\n'
    client.wait_line("link ended|authentication failed")
    assert json.loads(ask(server, "GET", "/api/status")[2])["tokens"] == []


def test_reverse_and_connector_tokens(world, server):
    port = tunnel.free_port()
    made = ask(server, "POST", "/api/token", {"type": "reverse", "token": "R", "port": port})
    assert made[2] == b'{"success":true,"token":"R","port":%d}\n' % port
    taken = ask(server, "POST", "/api/token", {"type": "reverse", "token": "R2", "port": port})
    assert taken[2] == b'{"success":false,"error":"cannot allocate port: %d"}\n' % port
    assert ask(server, "POST", "/api/token", {"type": "connector", "token": "C", "reverse_token": "R"})[
        2
    ] == (b'{"success":true,"token":"C"}\n')
    assert ask(server, "POST", "/api/token", {"type": "connector", "token": "C", "reverse_token": "R"})[
        2
    ] == (b'{"success":true,"token":"C"}\n')
    for body, error in [
        ({"type": "connector", "token": "D"}, b"reverse_token is required for connector token"),
        ({"type": "connector", "token": "D", "reverse_token": "?"}, b"reverse token does not exist"),
        ({"type": "forward", "token": "anonymous"}, b"'anonymous' is reserved and cannot be used as a token"),
    ]:
        status, _, answer = ask(server, "POST", "/api/token", body)
        assert status == "HTTP/1.1 200 OK" and json.loads(answer) == {
            "success": False,
            "error": error.decode(),
        }
    world.add(Client(world.folder, world.engine, server.address, "R", reverse=True, name="provider")).ready()
    server.wait_listening(port)
    service = world.service()
    transfer(service.port, 1000, 1000, dial=socks5.dialer(port))
    tokens = json.loads(ask(server, "GET", "/api/status")[2])["tokens"]
    assert tokens == [
        {"token": "R", "type": "reverse", "clients_count": 1, "port": port, "connector_tokens": ["C"]}
    ]
    ask(server, "DELETE", "/api/token", {"token": "R"})
    tunnel.until(lambda: not tunnel.is_listening(port), "the port to close")
    assert json.loads(ask(server, "GET", "/api/status")[2])["tokens"] == []


def test_random_tokens_and_autonomy(server):
    made = json.loads(ask(server, "POST", "/api/token", {"type": "forward"})[2])
    assert made["success"] and len(made["token"]) == 16 and int(made["token"], 16) >= 0
    made = json.loads(
        ask(server, "POST", "/api/token", {"type": "reverse", "allow_manage_connector": True})[2]
    )
    assert made["port"] == -1


@pytest.mark.parametrize(
    "method, path, body, status",
    [
        ("POST", "/api/token", b"{", "400 Bad Request"),
        ("POST", "/api/token", {"type": "other"}, "400 Bad Request"),
        ("PUT", "/api/token", None, "405 Method Not Allowed"),
        ("POST", "/api/status", None, "405 Method Not Allowed"),
        ("GET", "/api/", None, "404 Not Found"),
        ("GET", "/api/status/", None, "404 Not Found"),
        ("GET", "/foo", None, "404 Not Found"),
    ],
)
def test_requests_that_are_refused(server, method, path, body, status):
    assert ask(server, method, path, body)[0] == "HTTP/1.1 " + status


def test_deleting_what_is_not_there(server):
    assert (
        ask(server, "DELETE", "/api/token/nothing%2Fhere")[2] == b'{"success":true,"token":"nothing/here"}\n'
    )
    assert ask(server, "DELETE", "/api/token")[2] == b'{"success":false,"error":"token not specified"}\n'


def test_no_key_no_api(world):
    tokens = [{"token": "F", "type": "forward"}]
    server = world.add(Server(world.folder, world.engine, world.certificate, tokens)).ready()
    assert ask(server, "GET", "/api/status")[0] == "HTTP/1.1 404 Not Found"
    assert ask(server, "GET", "/")[2] == b"LinkSocks v1.8.9 is running but API is not enabled.\n"
