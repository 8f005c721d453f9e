"""Scripted peers: what goes over a LinkSocks link byte by byte, and what bad input gets."""

import hashlib
import socket
import struct

import pytest

import socks5
import tunnel
import websocket
from linksocks_programs import Client, Server
from traffic import transfer
from websocket import BINARY, CLOSE, CONTINUATION, PING, TEXT, Closed, dial, read_head, request

U1 = bytes.fromhex("00112233445566778899aabbccddeeff")
OK = bytes.fromhex("010201")


def sha(token):
    return hashlib.sha256(token.encode()).hexdigest()


def url(token, reverse="false", **more):
    pairs = {"token": sha(token), "reverse": reverse, "instance": "00112233-4455-6677-8899-aabbccddeeff"}
    return "/socket?" + "&".join(f"{k}={v}" for k, v in {**pairs, **more}.items() if v is not None)


@pytest.fixture
def server(world):
    socks = tunnel.free_port()
    made = Server(
        world.folder,
        world.engine,
        world.certificate,
        [
            {"token": "F", "type": "forward"},
            {"token": "R", "type": "reverse", "socks_addr": f"127.0.0.1:{socks}", "connector_tokens": ["C"]},
            {"token": "A", "type": "reverse", "autonomy": True},
        ],
        api_key="key",
    )
    made.socks = socks
    return world.add(made).ready()


def login(server, token, reverse="false", **more):
    peer = dial(server.port, url(token, reverse, **more))
    assert peer.receive() == OK
    return peer


def beside_news(peer):
    """The next message that is neither Partners nor Log: those come when they please."""
    while True:
        message = peer.receive()
        if message[1] not in (9, 10):
            return message


def connect(identity=U1, host="127.0.0.1", port=80):
    name = host.encode()
    return b"\1\3\1" + identity + bytes([len(name)]) + name + struct.pack(">H", port)


def data(identity, payload, compression=0):
    return b"\1\4\1" + identity + bytes([compression]) + struct.pack(">I", len(payload)) + payload


def disconnect(identity, text=b""):
    return b"\1\6" + identity + (bytes([len(text)]) + text if text else b"")


# --- logging in


def test_answer_to_the_upgrade_is_exactly_that_of_the_original(server):
    peer = dial(server.port, url("F"))
    assert len(peer.head) == 4, peer.head


@pytest.mark.parametrize("path", ["/socket", "/socket/", "/socket/x"])
def test_paths_of_the_link(server, path):
    peer = dial(server.port, url("F").replace("/socket", path, 1))
    assert peer.receive() == OK


@pytest.mark.parametrize(
    "token, reverse, good",
    [
        ("F", "true", False),
        ("F", "false", True),
        ("F", None, True),
        ("F", "TRUE", True),
        ("R", "true", True),
        ("R", "1", True),
        ("R", "false", False),
        ("R", None, True),
        ("A", "true", True),
        ("C", "true", False),
        ("C", "false", True),
        ("C", None, True),
        ("unknown", "true", False),
        ("unknown", None, False),
    ],
)
def test_decision_table(server, token, reverse, good):
    peer = dial(server.port, url(token, reverse))
    answer = peer.receive()
    if good:
        assert answer == OK
    else:
        assert answer == b"\1\2\0\x0dinvalid token"
        assert peer.ended() == 1008


@pytest.mark.parametrize(
    "token, text",
    [("A" * 64, b"invalid token"), ("abc", b"invalid token format"), ("g" * 64, b"invalid token")],
)
def test_tokens_that_are_none(server, token, text):
    peer = dial(server.port, f"/socket?token={token}")
    assert peer.receive() == b"\1\2\0" + bytes([len(text)]) + text


def test_login_by_message(server):
    for path in ["/socket", "/socket/x"]:
        peer = dial(server.port, path)
        peer.send(b"\1\1\1F\0" + U1)
        assert peer.receive() == OK


def test_first_message_is_no_login(server):
    peer = dial(server.port, "/socket")
    peer.send(connect())
    assert peer.receive() == b"\1\2\0\x14invalid auth message"
    assert peer.ended() == 1002


# --- HTTP around it


@pytest.mark.parametrize(
    "ask, status, body",
    [
        (b"GET /socket HTTP/1.1\r\nHost: h\r\n\r\n", b"400 Bad Request", b"Bad Request\n"),
        (b"GET /foo HTTP/1.1\r\nHost: h\r\n\r\n", b"404 Not Found", b"404 page not found\n"),
        (b"GET /api/status HTTP/1.1\r\nHost: h\r\n\r\n", b"401 Unauthorized", b"invalid API key"),
    ],
)
def test_requests_that_are_no_upgrade(server, ask, status, body):
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        sock.sendall(ask)
        lines, rest = read_head(sock)
        assert lines[0] == "HTTP/1.1 " + status.decode(), lines
        length = next(int(line.split(": ")[1]) for line in lines if line.lower().startswith("content-length"))
        while len(rest) < length:
            rest += sock.recv(4096)
        assert body in rest


def test_head_in_single_bytes(server):
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /foo HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 300 + b"\r\n\r\n":
            sock.sendall(bytes([byte]))
        assert read_head(sock)[0][0] == "HTTP/1.1 404 Not Found"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /socket HTTP/1.1\nHost: h\n\n",
        b"GET /socket HTTP/1.1\r\nHost : h\r\n\r\n",
        b"GET /socket HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
        b"GET /socket HTTP/1.1\r\nHost: h\r\nX: \0\r\n\r\n",
        b"GET /socket HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 20000 + b"\r\n\r\n",
    ],
)
def test_heads_that_are_refused(server, head):
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        sock.sendall(head)
        lines, _ = read_head(sock)
        assert lines == [""] or lines[0].split()[1] in ("400", "431", "404"), lines


# --- the exit


def test_connect_and_data(world, server):
    service = socket.create_server(("127.0.0.1", 0))
    service.settimeout(10)
    peer = login(server, "F")
    peer.send(connect(port=service.getsockname()[1]))
    assert peer.receive() == b"\1\5\1" + U1
    target, _ = service.accept()
    peer.send(data(U1, b"hello"))
    assert target.recv(10) == b"hello"
    target.sendall(b"world")
    assert peer.receive() == data(U1, b"world")
    target.close()
    assert peer.receive() == disconnect(U1, b"EOF")


def test_message_in_small_fragments_with_pings_between(server):
    service = socket.create_server(("127.0.0.1", 0))
    service.settimeout(10)
    peer = login(server, "F")
    peer.send(connect(port=service.getsockname()[1]))
    peer.receive()
    target, _ = service.accept()
    message = data(U1, bytes(range(256)) * 200)
    for at in range(0, len(message), 4096):
        last = at + 4096 >= len(message)
        peer.send(message[at : at + 4096], BINARY if at == 0 else CONTINUATION, final=last)
        peer.send(b"%d" % at, PING)
    found = b""
    while len(found) < 51200:
        found += target.recv(65536)
    assert found == bytes(range(256)) * 200
    assert peer.frame()[0] == websocket.PONG


def test_refusals_have_their_reason(server):
    peer = login(server, "F")
    for host, port in [
        ("127.0.0.1", tunnel.free_port()),
        ("127.0.0.1", 0),
        ("", 80),
        ("no.such.invalid", 80),
    ]:
        identity = hashlib.md5(f"{host}{port}".encode()).digest()
        peer.send(connect(identity, host, port))
        answer = peer.receive()
        assert answer[:3] == b"\1\5\0" and answer[3:19] == identity and answer[20:], answer


def test_unknown_types_and_channels_are_passed_over(server):
    peer = login(server, "F")
    for message in [
        b"\1\xfe",
        b"\1\xfejunk",
        data(bytes(16), b"x"),
        disconnect(bytes(16)),
        b"\1\5\1" + bytes(16),
    ]:
        peer.send(message)
    peer.send(b"\1\x0a\0\0\0\x0b" + b'{"count":2}')
    peer.send(connect(port=tunnel.free_port()))
    assert peer.receive()[:19] == b"\1\5\0" + U1


def test_text_messages_are_taken(server):
    """The original does not look at the kind, and no UUID is UTF-8."""
    service = socket.create_server(("127.0.0.1", 0))
    identity = b"\xff\xfe\xc3\x80" * 4
    peer = login(server, "F")
    peer.send(connect(identity, port=service.getsockname()[1]), TEXT)
    assert peer.receive() == b"\1\5\1" + identity
    target, _ = service.accept()
    peer.send(data(identity, b"\x80 any bytes \xff"), TEXT)
    target.settimeout(tunnel.WAIT)
    assert target.recv(100) == b"\x80 any bytes \xff"


@pytest.mark.parametrize(
    "message",
    [
        b"\1",
        b"\x11\2",
        b"\1\3\1" + U1,
        b"\1\4\1" + U1 + b"\0\0\0\0\5a",
        b"\1\4\2" + U1 + b"\0\0\0\0\1a",
        b"\1\7" + U1 + b"\1a\3",
        b"\1\x09\0\0\0\2{{",
        b"",
    ],
)
def test_broken_messages_end_the_link_alone(world, server, message):
    service = world.service()
    client = world.add(Client(world.folder, world.engine, server.address, "F")).ready()
    peer = login(server, "F")
    peer.send(message)
    peer.ended()
    transfer(service.port, 1000, 1000, dial=socks5.dialer(client.socks))


@pytest.mark.parametrize(
    "raw, code",
    [
        (websocket.frame(BINARY, b"x", masked=False), 1002),
        (websocket.frame(BINARY, b"x", reserved=4), 1002),
        (websocket.frame(3, b"x"), 1002),
        (websocket.frame(CONTINUATION, b"x"), 1002),
        (websocket.frame(PING, b"x" * 126), 1002),
        (websocket.frame(TEXT, b"\xff\xfe"), 1002),  # whatever the kind: another version
        (b"\x82\xff" + struct.pack(">Q", 32 * 1024 * 1024 + 1) + b"\0\0\0\0", 1009),
        (websocket.frame(CLOSE, struct.pack(">H", 1000)), 1000),
        (websocket.frame(CLOSE, struct.pack(">H", 1005)), 1002),
    ],
)
def test_frames_that_end_the_link(server, raw, code):
    peer = login(server, "F")
    peer.sock.sendall(raw)
    assert peer.ended() == code


def test_gzip_bomb(server):
    import gzip

    peer = login(server, "F")
    service = socket.create_server(("127.0.0.1", 0))
    peer.send(connect(port=service.getsockname()[1]))
    peer.receive()
    bomb = gzip.compress(bytes(200 << 20))
    peer.send(data(U1, bomb, 1))
    peer.ended()
    assert server.child.poll() is None


def test_a_channel_of_another_link_cannot_be_named(server):
    service = socket.create_server(("127.0.0.1", 0))
    service.settimeout(10)
    owner, stranger = login(server, "F"), login(server, "F")
    owner.send(connect(port=service.getsockname()[1]))
    owner.receive()
    target, _ = service.accept()
    stranger.send(data(U1, b"injected"))
    stranger.send(disconnect(U1))
    stranger.send(connect(bytes(16), "127.0.0.1", tunnel.free_port()))
    stranger.receive()
    owner.send(data(U1, b"mine"))
    assert target.recv(100) == b"mine"


def test_provider_may_not_use_the_server(server):
    peer = login(server, "R", "true")
    peer.send(connect(port=server.port))
    assert peer.receive()[:3] == b"\1\5\0"


# --- providers and connectors by hand


def test_ids_travel_and_ends_cross(server):
    """The original sends a connector's Disconnect back to the connector; here it reaches the provider."""
    provider, connector = login(server, "R", "true"), login(server, "C")
    connector.send(connect(host="example.com", port=443))
    asked = beside_news(provider)
    identity = asked[3:19]
    assert asked[19:] == b"\x0bexample.com" + struct.pack(">H", 443)
    provider.send(b"\1\5\1" + identity)
    assert beside_news(connector) == b"\1\5\1" + U1
    connector.send(data(U1, b"up"))
    assert beside_news(provider) == data(identity, b"up")
    provider.send(data(identity, b"down"))
    assert beside_news(connector) == data(U1, b"down")
    connector.send(disconnect(U1, b"EOF"))
    assert beside_news(provider)[:18] == b"\1\6" + identity


def test_users_and_connectors_that_leave_early_are_told(server):
    """While the provider still dials: it need not go on."""
    provider, connector = login(server, "R", "true"), login(server, "C")
    tunnel.until(lambda: tunnel.is_listening(server.socks), "the port of the reverse token")
    user = socket.create_connection(("127.0.0.1", server.socks))
    user.sendall(b"\5\1\0\5\1\0\3\1h\0\x50")
    asked = beside_news(provider)
    assert asked[1] == 3
    user.close()
    ended = beside_news(provider)
    assert ended[1] == 6 and ended[2:18] == asked[3:19]
    connector.send(connect())
    asked = beside_news(provider)
    assert asked[1] == 3
    connector.send(disconnect(U1))
    ended = beside_news(provider)
    assert ended[1] == 6 and ended[2:18] == asked[3:19]


def test_vanished_ends_are_told(server):
    provider, connector = login(server, "R", "true"), login(server, "C")
    connector.send(connect(host="h", port=1))
    asked = beside_news(provider)
    provider.send(b"\1\5\1" + asked[3:19])
    beside_news(connector)
    provider.close()
    assert beside_news(connector)[:18] == b"\1\6" + U1


def test_autonomy_keeps_tenants_apart(server):
    def manage(peer, token, operation, identity=U1):
        peer.send(b"\1\7" + identity + bytes([len(token)]) + token + bytes([operation]))
        return beside_news(peer)

    one, two = login(server, "A", "true"), login(
        server, "A", "true", instance="ffffffff-0000-4000-8000-000000000001"
    )
    assert manage(one, b"mine", 1) == b"\1\x08" + U1 + b"\1\4mine"
    assert manage(one, b"mine", 1) == b"\1\x08" + U1 + b"\1\4mine"
    assert manage(two, b"mine", 1)[18:19] == b"\0"
    manage(two, b"mine", 2)
    connector = login(server, "mine")
    connector.send(connect(host="h", port=1))
    assert beside_news(one)[1] == 3
    made = manage(two, b"", 1)
    assert made[18:20] == b"\1\x10" and len(made) == 36


def test_autonomous_token_lives_through_a_reconnect(server):
    one = login(server, "A", "true")
    one.send(b"\1\7" + U1 + b"\4mine\1")
    assert one.receive()[18:19] == b"\1"
    one.close()
    server.wait_line("link ended")
    again = login(server, "A", "true")
    again.send(b"\1\7" + U1 + b"\4mine\1")
    assert again.receive() == b"\1\x08" + U1 + b"\1\4mine"


def test_managing_needs_autonomy(server):
    peer = login(server, "R", "true")
    peer.send(b"\1\7" + U1 + b"\4mine\1")
    answer = beside_news(peer)
    assert answer == b"\1\x08" + U1 + b"\0\x29Unauthorized connector management attempt"


# --- our client, a scripted server


@pytest.fixture
def listener(world):
    made = websocket.Listener()
    world.closers.append(made.close)
    return made


def test_request_of_our_client(world, listener):
    world.add(Client(world.folder, world.engine, f"127.0.0.1:{listener.port}", "T"))
    peer = listener.accept()
    path = peer.request.split()[1]
    assert path.startswith("/socket?instance=") and path.endswith(f"&reverse=false&token={sha('T')}"), path
    assert "user-agent" in peer.fields and peer.fields["sec-websocket-version"] == "13"


def test_early_messages_and_surplus_bytes(world, listener):
    """A stock server may say Partners before AuthResponse; the public relay appends a token to it."""
    client = world.add(Client(world.folder, world.engine, f"127.0.0.1:{listener.port}", "T"))
    peer = listener.accept()
    peer.send(b"\1\x0a\0\0\0\x0b" + b'{"count":2}')
    peer.send(OK + b"\3abc")
    client.ready()


def test_data_before_the_answer_counts_as_success(world, listener):
    client = world.add(Client(world.folder, world.engine, f"127.0.0.1:{listener.port}", "T"))
    peer = listener.accept()
    peer.send(OK)
    client.ready()
    import threading

    sock = []
    thread = threading.Thread(target=lambda: sock.append(socks5.connect(client.socks, 80, "example.com")))
    thread.start()
    asked = peer.receive()
    assert asked[:3] == b"\1\3\1"
    peer.send(data(asked[3:19], b"first"))
    peer.send(b"\1\5\1" + asked[3:19])
    thread.join(10)
    assert sock and sock[0].recv(10) == b"first"


def test_redirections_are_followed(world, listener):
    from urllib.parse import urlsplit

    second = websocket.Listener()
    world.closers.append(second.close)
    client = world.add(Client(world.folder, world.engine, f"127.0.0.1:{listener.port}", "T"))
    sock, _ = listener.listener.accept()
    lines, _ = read_head(sock)
    query = urlsplit(lines[0].split()[1]).query
    where = f"http://127.0.0.1:{second.port}/socket?{query}"
    sock.sendall(f"HTTP/1.1 307 Moved\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode())
    peer = second.accept()
    peer.send(OK)
    client.ready()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b"hello\r\n\r\n"])
def test_servers_that_are_none(world, listener, answer):
    client = world.add(Client(world.folder, world.engine, f"127.0.0.1:{listener.port}", "T"))
    for _ in range(2):  # and again
        sock, _ = listener.listener.accept()
        read_head(sock)
        sock.sendall(answer)
        sock.close()
    assert client.child.poll() is None


def test_provider_refuses_what_it_must(world, listener):
    provider = Client(
        world.folder, world.engine, f"127.0.0.1:{listener.port}", "T", reverse=True, top={"access": {}}
    )
    world.add(provider)
    peer = listener.accept()
    peer.send(OK)
    for host, port in [("127.0.0.1", 80), ("localhost", 80), ("169.254.169.254", 80), ("x", 0)]:
        identity = hashlib.md5(f"{host}{port}".encode()).digest()
        peer.send(connect(identity, host, port))
        answer = peer.receive()
        assert answer[:19] == b"\1\5\0" + identity, answer


def test_closed_by_the_peer_with_a_code(world, listener):
    client = world.add(Client(world.folder, world.engine, f"127.0.0.1:{listener.port}", "T"))
    peer = listener.accept()
    peer.send(OK)
    client.ready()
    peer.send(struct.pack(">H", 1012), CLOSE)
    with pytest.raises(Closed):
        peer.receive()
    assert listener.accept()
