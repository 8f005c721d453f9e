"""Generations of TLS Tunnel before 1.5: originals written by hand against the real program, both roles."""

import json
import socket
import struct
import time

import pytest

import legacy
import socks5
import tunnel
import yamux
from forwarding import forwarding
from legacy import GENERATIONS, TOO_LONG, WRONG_KEY, config_message, key_message, proxy, sized
from traffic import end_of, transfer
from yamux import ACK, DATA, PING, RST, SYN, frame

FAILED = "Proxy configuration validation failed: "


@pytest.fixture
def gateway(world):
    return world.gateway().ready()


WRONG_KEY_14Y = sized('{"success":false,"error":"Invalid authentication key"}')


def refusal(text):
    return b"\x00" + struct.pack(">H", len(text)) + text.encode()


# ---- the gateway


@pytest.mark.parametrize("generation", GENERATIONS)
def test_client_publishes(gateway, generation):
    port = tunnel.free_port()
    session, _ = legacy.login(gateway.port, generation, [proxy("web", port, 3000)])
    with session:
        assert session.pump(lambda: session.pings), "the gateway does not ping after the handshake"
        assert session.pump(lambda: (PING, ACK, 0, 0xDEADBEEF) in session.frames)
        gateway.wait_listening(port)
        with socket.create_connection(("127.0.0.1", port)) as user:
            wanted = 3000 if generation in ("1.0", "1.1") else port
            assert session.read(2, 2) == struct.pack(">H", wanted)
            user.sendall(b"question")
            assert session.read(2, 8) == b"question"
            session.data(2, b"the answer")
            session.send(frame(DATA, RST, 2))
            assert end_of(user) == (b"the answer", "eof")
        assert session.opened == [2] and session.goaway is None
    tunnel.until(lambda: not tunnel.is_listening(port), "port closed with its session")
    gateway.wait_line('"generation":"%s' % ("1.4.y" if generation == "1.4.y" else "1.4"))


def test_published_vectors(gateway):
    """Byte for byte, whatever the pieces are."""
    config = (
        b'{"version":1,"proxies":[{"name":"web","proxy_type":"tcp","publish_addr":"0.0.0.0",'
        b'"publish_port":8080,"local_port":3000}],"visitors":[]}'
    )
    config = config.replace(b"8080", b"%d" % tunnel.free_port())
    with legacy.dial(gateway.port) as raw:
        for byte in b"\x00\x00\x00\x100123456789abcdef":
            raw.send(bytes([byte]))
        assert raw.read(1) == b"\x01"
        for byte in sized(config):
            raw.send(bytes([byte]))
        assert raw.read(1) == b"\x01"
        assert raw.read(8) == b"\x00\x02\x00\x01\x00\x00\x00\x00"


def test_a_client_that_does_not_wait(gateway):
    port = tunnel.free_port()
    with legacy.dial(gateway.port) as raw:
        raw.send(
            key_message("1.4")
            + config_message("1.4", [proxy("web", port, 1)])
            + frame(PING, SYN, 0, 0xDEADBEEF)
        )
        assert raw.read(2) == b"\x01\x01"
        gateway.wait_listening(port)


@pytest.mark.parametrize(
    "said, answer",
    [
        (sized("0123456789abcdeX"), WRONG_KEY),
        (sized("0123456789abcdef0"), WRONG_KEY),
        (key_message("1.4.y", "0123456789abcdeX"), WRONG_KEY_14Y),
        (sized("k" * 1024), WRONG_KEY),
        (sized("k" * 1025), TOO_LONG),
        (sized("k" * 65535), TOO_LONG),
        (b"\x00\x00\xff\xff", TOO_LONG),
        (sized(b"0123456789abcde\xff"), b""),
    ],
    ids=["wrong", "longer", "1.4.y", "1024", "1025", "65535", "announced", "not utf-8"],
)
def test_keys_that_are_refused(gateway, said, answer):
    with legacy.dial(gateway.port) as raw:
        raw.send(said)
        assert raw.rest() == answer


def test_length_of_two_gigabytes(gateway):
    """No protocol of this port; and as a configuration it is the end, without an answer."""
    with legacy.dial(gateway.port) as raw:
        raw.send(b"\x80\x00\x00\x00")
        raw.rest()
    with legacy.dial(gateway.port) as raw:
        raw.send(key_message("1.4") + b'\x80\x00\x00\x00{"version":1')
        assert raw.rest() == b"\x01"


@pytest.mark.parametrize(
    "config",
    [
        b"\x00\x00\x00\x00",
        sized("nope"),
        sized("[]"),
        sized('{"version":2,"proxies":[]}'),
        sized('{"version":1}'),
        sized('{"version":1,"proxies":[{"name":"a"}]}'),
    ],
)
def test_configurations_that_have_no_answer(gateway, config):
    with legacy.dial(gateway.port) as raw:
        raw.send(key_message("1.4") + config)
        assert raw.rest() == b"\x01"


@pytest.mark.parametrize(
    "generation, proxies, reason",
    [
        (
            "1.4",
            [("a", 1, 1), ("a", 2, 2)],
            "Duplicate proxy name 'a': each proxy must have a unique name",
        ),
        (
            "1.4",
            [("a", 1, 1), ("b", 1, 2)],
            "Duplicate publish binding 127.0.0.1:1: each proxy must use a different server bind address/port",
        ),
        (
            "1.0",
            [("a", 1, 1), ("b", 1, 2)],
            "Duplicate publish_port 1: each proxy must use a different server port",
        ),
        (
            "1.4",
            [("a", 1, 1), ("b", 2, 1)],
            "Duplicate local_port 1: each proxy must connect to a different client port",
        ),
        ("1.4", [("web", "own", 1)], "Proxy 'web' publish_port %d conflicts with server bind port"),
        ("1.4", [("a", 0, 1)], "Proxy 'a': publish_port cannot be 0"),
        ("1.1", [("a", 1, 0)], "Proxy 'a': local_port cannot be 0"),
        ("1.0", [("", 1, 1)], "Proxy name cannot be empty"),
    ],
)
def test_configurations_that_are_refused(gateway, generation, proxies, reason):
    listed = [proxy(name, gateway.port if port == "own" else port, local) for name, port, local in proxies]
    text = FAILED + (reason % gateway.port if "%d" in reason else reason)
    with legacy.dial(gateway.port) as raw:
        raw.send(key_message(generation) + config_message(generation, listed))
        assert raw.rest() == b"\x01" + refusal(text)
    if generation != "1.4":
        return
    with legacy.dial(gateway.port) as raw:
        raw.send(key_message("1.4.y") + config_message("1.4.y", listed))
        assert raw.text() == b'{"success":true}'
        assert json.loads(raw.text()) == {"valid": False, "error": text}
        assert raw.rest() == b""


def test_what_others_hold(world):
    """Of one that holds nothing the end, in words; a part of it is refused silently, but for 1.4.y."""
    gateway, _, port, service = world.published()
    other = tunnel.free_port()
    held, free = proxy("web", port, 3000), proxy("other", other, 3001)
    with legacy.dial(gateway.port) as raw:
        raw.send(key_message("1.4") + config_message("1.4", [held]))
        assert raw.rest() == b"\x01" + refusal(f"All proxies rejected: web:{port}")
    with legacy.dial(gateway.port) as raw:
        raw.send(key_message("1.4.y") + config_message("1.4.y", [held]))
        assert [raw.text() for _ in range(2)] == [b'{"success":true}', b'{"valid":true}']
        assert json.loads(raw.text()) == {"accepted": False, "rejected_proxies": [f"web:{port}"]}
        assert raw.rest() == b""
    session, answer = legacy.login(gateway.port, "1.4.y", [held, free])
    with session:
        assert json.loads(answer) == {"accepted": True, "rejected_proxies": [f"web:{port}"]}
        gateway.wait_listening(other)
    tunnel.until(lambda: not tunnel.is_listening(other), "the port is free again")
    session, _ = legacy.login(gateway.port, "1.4", [held, free])
    with session:
        gateway.wait_listening(other)
        transfer(port, 1000, 1000)
    assert not service.faults()


@pytest.mark.parametrize("generation", ["1.4", "1.4.y"])
def test_visitor_of_an_original(world, generation):
    """It writes no port: our gateway tells the owner, of whatever generation that is."""
    gateway, _, port, service = world.published()
    session, _ = legacy.login(gateway.port, generation)
    with session:
        number = session.open(struct.pack(">H", 3) + b"web" + struct.pack(">H", port))
        assert number == 1 and session.read(number, 1) == b"\x01"
        session.data(number, struct.pack(">QQQ", 9, 0, 5))
        assert len(session.read(number, 5)) == 5
        number = session.open(b"\x00\x05mysql\x0c\xea")
        text = "Proxy 'mysql' with publish_port 3306 not found or client not connected"
        assert session.read(number, 3 + len(text)) == refusal(text)
    assert not service.faults()


@pytest.mark.parametrize("generation", GENERATIONS)
def test_visitor_to_an_original(world, generation):
    gateway = world.gateway().ready()
    port, bind = tunnel.free_port(), tunnel.free_port()
    owner, _ = legacy.login(gateway.port, generation, [proxy("db", port, 5432)])
    with owner:
        world.client(gateway, visitors=[tunnel.visitor("db", port, bind)]).ready()
        with socket.create_connection(("127.0.0.1", bind)) as user:
            user.sendall(b"question")
            wanted = 5432 if generation in ("1.0", "1.1") else port
            assert owner.read(2, 10) == struct.pack(">H", wanted) + b"question"


def test_older_generations_switched_off(world):
    gateway = world.gateway(tls_tunnel={"legacy": False}).ready()
    for generation in ("1.4", "1.4.y"):
        with legacy.dial(gateway.port) as raw:
            raw.send(key_message(generation))
            assert raw.rest() == b""
    gateway.wait_line("legacy: false")
    port, service = tunnel.free_port(), world.service()
    world.client(gateway, proxies=[tunnel.proxy("web", port, service.port)]).ready()
    transfer(port, 1000, 1000)


def test_a_client_without_a_key_ends(gateway):
    if not tunnel.FULL:
        pytest.skip("takes 10 s: FULL=1")
    with legacy.dial(gateway.port) as raw:
        raw.send(b"\x00\x00\x00\x100123")
        began = time.monotonic()
        assert raw.rest(20) == b""
        assert time.monotonic() - began < 15


def test_an_idle_client_lives(gateway):
    """It says nothing by itself; the gateway asks, and it answers."""
    if not tunnel.FULL:
        pytest.skip("takes 100 s: FULL=1")
    port = tunnel.free_port()
    session, _ = legacy.login(gateway.port, "1.4", [proxy("web", port, 1)])
    with session:
        session.pump(lambda: False, 100)
        assert session.ended is None and len(session.pings) >= 3
        assert tunnel.is_listening(port)


# ---- our client and our gateway


@pytest.mark.parametrize("transport", ["tls", "wss", "http2"])
@pytest.mark.parametrize("generation", ["1.0", "1.4", "1.4.y"])
def test_ours_with_ours(world, generation, transport):
    gateway, client, port, service = world.published(generation=generation, transport=transport)
    transfer(port, 4 << 20, 4 << 20)
    client.wait_line('"link up".*"generation":"%s"' % generation)
    assert not service.faults()


@pytest.mark.parametrize("generation", ["1.4", "1.4.y"])
def test_ours_visits_ours(world, generation):
    """The port that our visitor writes for original gateways does not reach the service."""
    gateway, _, port, service = world.published(generation=generation)
    bind = tunnel.free_port()
    world.client(
        gateway, name="visiting", visitors=[tunnel.visitor("web", port, bind)], generation=generation
    ).ready()
    transfer(bind, 4 << 20, 4 << 20)
    assert not service.faults()


@pytest.mark.parametrize("generation", ["1.4", "1.4.y"])
def test_ours_forwards_beside_visiting(world, generation):
    """A forward has no port in front, whatever the client's visitors do."""
    service, own, bind = world.service(), tunnel.free_port(), tunnel.free_port()
    visit = tunnel.visitor("web", own, bind)
    gateway, client, port = forwarding(world, generation=generation, visitors=[visit])
    publishing = world.client(gateway, name="publishing", proxies=[tunnel.proxy("web", own, service.port)])
    publishing.ready()
    client.wait_listening(bind)
    transfer(service.port, 1 << 20, 1 << 20, dial=socks5.dialer(port))
    transfer(bind, 1 << 20, 1 << 20)
    assert not service.faults()


# ---- the client


@pytest.fixture
def serve(world, certificate):
    def go(generation, port=0):
        server = legacy.Server(certificate, generation, port)
        world.closers.append(server.close)
        return server

    return go


@pytest.fixture
def start(world, local):
    def go(server, **options):
        web = tunnel.proxy("web", 8080, local.getsockname()[1], publish_addr="0.0.0.0")
        options.setdefault("proxies", [web])
        return world.client(server.address, **options)

    return go


def configured(generation):
    return "1.4" if generation == "1.1" else generation


def user_comes(server, session, local):
    """A stream as that server opens it reaches the local service."""
    number = session.open(server.port_of(session, "web") + b"question")
    conn, _ = local.accept()
    with conn:
        conn.settimeout(tunnel.WAIT)
        assert conn.recv(8, socket.MSG_WAITALL) == b"question"
        conn.sendall(b"answer")
        assert session.read(number, 6) == b"answer"


@pytest.mark.parametrize("generation", GENERATIONS)
def test_client_of_a_gateway(start, serve, local, generation):
    server = serve(generation)
    client = start(server, generation=configured(generation))
    with server.raw() as raw, server.admit(raw) as session:
        assert session.published == [("web", 8080, local.getsockname()[1])]
        if session.config:
            assert list(session.config) == ["version", "proxies", "visitors"]
            assert list(session.config["proxies"][0]) == list(proxy("a", 1, 1))
        assert session.pump(lambda: session.pings)
        client.wait_line('"link up".*"generation":"%s"' % configured(generation))
        user_comes(server, session, local)


@pytest.mark.parametrize("generation", ["1.0", "1.1", "1.4"])
def test_generation_is_found(start, serve, local, generation):
    """The gateway takes our Ping for a key, says so, and is called again at once; the next time as well."""
    server = serve(generation)
    client = start(server)
    with server.raw() as raw:
        assert server.hear_key(raw) is None
    if generation == "1.0":
        server.generation = "1.4"  # so it is taken for; a list would be asked for by `generation`
    with server.raw() as raw, server.admit(raw) as session:
        assert session.pump(lambda: session.pings)
        client.wait_line('"link up".*"generation":"1.4"')
        user_comes(server, session, local)
    assert not client.matching("no link")
    with server.raw() as raw, server.admit(raw) as session:
        assert session.pump(lambda: session.pings), "a link that was lost is made as it was"


@pytest.mark.parametrize("answer", [b"", b"\x00\x00\x05empty"])
def test_generation_10_is_not_found_and_the_way_is_told(start, serve, answer):
    """It takes the key, and reads an empty list where 1.4 says how long its own is."""
    server = serve("1.0")
    client = start(server)
    with server.raw() as raw:
        assert server.hear_key(raw) is None
    with server.raw() as raw:
        assert server.hear_key(raw) == tunnel.KEY
        raw.send(b"\x01")
        assert raw.read(2) == b"\x00\x00"
        raw.send(answer)
        raw.close()
    advice = json.loads(client.wait_line('"no link"'))["advice"]
    assert 'TLS Tunnel 1.0' in advice and 'generation: "1.0"' in advice


def test_a_closed_guess_names_generation_10(start, serve):
    server = serve("1.4.y")
    client = start(server)
    for _ in range(2):
        with server.raw() as raw:
            raw.read(5)
    client.wait_line('"no link".*generation: ..1.0')


def test_generation_14y_is_found(start, serve, local):
    """That gateway ends without a word."""
    server = serve("1.4.y")
    client = start(server)
    with server.raw() as raw:
        assert server.hear_key(raw) is None
    with server.raw() as raw, server.admit(raw) as session:
        client.wait_line('"link up".*"generation":"1.4.y"')
        user_comes(server, session, local)
    with server.raw() as raw, server.admit(raw) as session:
        assert session.pump(lambda: session.pings)


def test_a_failed_older_try_is_followed_by_a_newer_one(start, serve):
    server = serve("1.4.y")
    start(server)
    for _ in range(2):
        with server.raw() as raw:
            assert raw.read(4) == b"\x00\x02\x00\x01"
        with server.raw() as raw:
            assert raw.read(5) == b"\x00\x00\x002{"


def test_silence_is_no_downgrade(start, serve):
    if not tunnel.FULL:
        pytest.skip("takes 10 s: FULL=1")
    server = serve("1.4")
    client = start(server)
    with server.raw() as raw:
        client.wait_line("did not authenticate in time|no answer to authenticate", 30)
        raw.close()
    with server.raw() as raw:
        assert raw.read(4) == b"\x00\x02\x00\x01"


def test_wrong_answers_are_no_downgrade(start, serve):
    server = serve("1.4")
    start(server)
    almost = b"\x00\x00\x2cauthentication key too long (max 1024 bytes)"
    for answer in (WRONG_KEY, almost, b"HTTP/1.1 400 Bad\r\n\r\n"):
        with server.raw() as raw:
            assert raw.read(4) == b"\x00\x02\x00\x01"
            raw.send(answer)


def test_fixed_generation_stays(start, serve):
    """Neither is 1.5 spoken where 1.4 is asked for, nor the other way round."""
    server = serve("1.4")
    client = start(server, generation="1.5")
    for _ in range(2):
        with server.raw() as raw:
            assert server.hear_key(raw) is None
    client.wait_line("1.4 or older")
    older = start(server, generation="1.4", name="older")
    client.kill()
    for _ in range(2):
        with server.raw() as raw:
            while server.hear_key(raw) is None:  # what the other one has left behind
                raw = server.raw()
            raw.send(b"\x00\x02\x00\x01\x00\x00\x00\x00\x11\x22\x33\x44")
    older.wait_line("this gateway speaks TLS Tunnel 1.5")


def test_refused_key_waits(start, serve):
    """The text reaches the log, and nothing is hurried by it."""
    server = serve("1.4")
    client = start(server, generation="1.4")
    with server.raw() as raw:
        assert server.hear_key(raw) == tunnel.KEY
        raw.send(WRONG_KEY)
        raw.close()
    line = client.wait_line("refused the auth_key")
    assert json.loads(line)["retry_ms"] > 20000


def test_upgraded_gateway_is_found(world, start, serve, local):
    server = serve("1.4")
    port = tunnel.free_port()
    client = start(server, proxies=[tunnel.proxy("web", port, local.getsockname()[1])])
    with server.raw() as raw:
        assert server.hear_key(raw) is None
    with server.raw() as raw, server.admit(raw) as session:
        assert session.pump(lambda: session.pings)
        server.close()
    world.gateway(port=server.port, tls_tunnel={"legacy": False}).ready()
    client.wait_line('"link up".*"generation":"1.5"')
    tunnel.until(lambda: tunnel.is_listening(port), "published port")


@pytest.mark.parametrize("generation", ["1.4", "1.4.y"])
def test_visitor_through_an_original_gateway(world, start, serve, local, generation):
    """Such a gateway joins two streams and says nothing of the port: our visitor does."""
    server = serve(generation)
    bind = tunnel.free_port()
    start(server, generation=generation)
    with server.raw() as raw, server.admit(raw) as owner:
        visiting = tunnel.visitor("web", 8080, bind)
        start(server, name="visiting", proxies=[], visitors=[visiting], generation=generation)
        with server.raw() as other, server.admit(other) as visitor:
            assert visitor.config["features"] == ["visitor-port"]
            tunnel.until(lambda: tunnel.is_listening(bind), "the visitor's port")
            with socket.create_connection(("127.0.0.1", bind)) as user:
                user.sendall(b"question")
                assert visitor.read(1, 7) == b"\x00\x03web\x1f\x90"
                visitor.data(1, b"\x01")
                asked = visitor.read(1, 10)
                assert asked == b"\x1f\x90question"
                number = owner.open(asked)
                conn, _ = local.accept()
                with conn:
                    assert conn.recv(8, socket.MSG_WAITALL) == b"question"
                    conn.sendall(b"answer")
                    visitor.data(1, owner.read(number, 6))
                    assert user.recv(6, socket.MSG_WAITALL) == b"answer"


def test_visitor_from_an_original_visitor(start, serve, local):
    """It writes no port, so what it says is taken for one: refused, and nothing else is harmed."""
    server = serve("1.4")
    client = start(server, generation="1.4")
    with server.raw() as raw, server.admit(raw) as owner:
        number = owner.open(b"SSH-2.0-visitor")
        assert owner.pump(lambda: owner.stream(number).rst)
        client.wait_line("asked for a port that is not published here")
        user_comes(server, owner, local)


def test_partial_refusal_is_told(start, serve):
    server = serve("1.4.y")
    client = start(server, generation="1.4.y")
    with server.raw() as raw, server.admit(raw, ["web:8080"]):
        client.wait_line("not published.*web:8080")


def test_refused_configuration(start, serve):
    server = serve("1.4")
    client = start(server, generation="1.4")
    with server.raw() as raw:
        assert server.hear_key(raw) == tunnel.KEY
        raw.send(b"\x01")
        server.hear_config(raw)
        raw.send(refusal(FAILED + "so it is"))
        raw.close()
    client.wait_line(FAILED + "so it is")
