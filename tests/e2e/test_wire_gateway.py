"""Our gateway as a scripted client sees it: published vectors, order, who waits for whom."""

import json
import re
import socket
import struct
import time

import pytest

import tunnel
import yamux
from traffic import end_of, transfer
from yamux import ACK, DATA, FIN, RST, SYN, WINDOW, authenticate, dial, frame, message, published, submit

REFUSED = '{"jsonrpc":"2.0","error":{"code":-32000,"message":"Invalid authentication key"},"id":1}'
CONFIGURED = '{"jsonrpc":"2.0","result":{"rejected_proxies":[]},"id":2}'
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
AUTHENTICATED = (
    r'^\{"jsonrpc":"2\.0","result":\{"client_id":"client_'
    + UUID
    + r'","min_client_version":"1\.4\.0","protocol_version":"1\.5\.1"\},"id":1\}$'
)


@pytest.fixture
def gateway(world):
    return world.gateway().ready()


def rejection(item, number=2):
    return yamux.compact(
        {
            "jsonrpc": "2.0",
            "error": {
                "code": -32001,
                "message": f"All proxies rejected: {item}",
                "data": {"rejected_proxies": [item]},
            },
            "id": number,
        }
    )


def ended(session, timeout=8):
    session.pump(lambda: False, timeout)
    return session.ended


def test_gateway_pings_after_the_first_frame_and_answers_ours(gateway):
    with dial(gateway.port) as session:
        assert not session.pump(lambda: session.frames, 0.2), "the gateway spoke first"
        session.send(frame(yamux.PING, SYN, 0, 0xDEADBEEF))
        assert session.pump(lambda: (yamux.PING, ACK, 0, 0xDEADBEEF) in session.frames)
        assert session.pump(lambda: session.pings)


def test_login_byte_by_byte_of_the_vectors(gateway):
    port = tunnel.free_port()
    with dial(gateway.port) as session:
        assert re.match(AUTHENTICATED, session.call(authenticate()))
        assert session.call(submit([published("web", port)])) == CONFIGURED
        tunnel.until(lambda: tunnel.is_listening(port), "published port")
        kinds = session.stream(1).frames
        assert (
            kinds[0][:2] in ((WINDOW, ACK), (DATA, ACK))
            and sum(1 for _, flags, _ in kinds if flags & ACK) == 1
        )
        # Each message is one frame: length and JSON together.
        assert [length for kind, _, length in kinds if kind == DATA][1] == 4 + len(CONFIGURED)
    tunnel.until(lambda: not tunnel.is_listening(port), "port closed with its session")


def test_refusal_is_delivered_before_the_end(gateway):
    with dial(gateway.port) as session:
        session.tell(authenticate("wrong key, long enough"))
        assert session.hear() == REFUSED
        assert ended(session)
        assert [f for f in session.stream(1).frames if f[0] == DATA and f[2]] == [
            (DATA, 0, 4 + len(REFUSED))
        ] or [f for f in session.stream(1).frames if f[0] == DATA and f[2]] == [(DATA, ACK, 4 + len(REFUSED))]


@pytest.mark.parametrize("number", [1, 77, "a name", 1.5, None])
def test_id_is_echoed(gateway, number):
    with dial(gateway.port) as session:
        session.tell(authenticate(number=number))
        answer = json.loads(session.hear())
        assert answer["id"] == number and "result" in answer


def test_id_may_be_missing(gateway):
    with dial(gateway.port) as session:
        request = authenticate()
        del request["id"]
        session.tell(request)
        assert json.loads(session.hear())["id"] is None


@pytest.mark.parametrize("version", ["1.4.0", "1.5.0", "2.0.0", "", None])
def test_any_version_is_let_in(gateway, version):
    request = authenticate(version=version)
    if version is None:
        del request["params"]["protocol_version"]
    with dial(gateway.port) as session:
        assert json.loads(session.call(request))["result"]["protocol_version"] == "1.5.1"


@pytest.mark.parametrize(
    "proxies, item",
    [
        ([("a", 1, 1), ("a", 2, 2)], "Duplicate proxy name: a"),
        ([("a", 1, 1), ("b", 1, 2)], "Duplicate binding: 127.0.0.1:1"),
        ([("a", 0, 1)], "Invalid proxy: a"),
        ([("a", 1, 0)], "Invalid proxy: a"),
        ([("", 1, 1)], "Invalid proxy: "),
        ([(" \t", 1, 1)], "Invalid proxy:  \t"),
        ([("a", "own", 1)], "Port conflict: a"),
    ],
)
def test_invalid_configuration_is_refused_with_its_text(gateway, proxies, item):
    wanted = [
        published(name, gateway.port if port == "own" else port and 20000 + port, local)
        for name, port, local in proxies
    ]
    with dial(gateway.port) as session:
        session.call(authenticate())
        assert session.call(submit(wanted)) == rejection(item.replace(":1", ":20001"))
        assert ended(session)


def test_taken_name_is_refused_with_its_text(world):
    gateway, _, port, _ = world.published()
    with dial(gateway.port) as session:
        session.call(authenticate())
        assert session.call(submit([published("web", port)])) == rejection(f"web:{port}")
        assert ended(session)
    transfer(port, 10, 10)


def test_partly_taken_is_told_before_the_answer(world):
    gateway, _, port, _ = world.published()
    free = tunnel.free_port()
    with dial(gateway.port) as session:
        session.call(authenticate())
        answer = json.loads(session.call(submit([published("web", port), published("free", free)])))
        assert answer["result"] == {"rejected_proxies": [f"web:{port}"]}
        note = [n for n in session.notes if n["params"].get("code") == "PARTIAL_CONFIG_REJECTION"]
        assert len(note) == 1 and note[0]["method"] == "push_exception" and "id" not in note[0], session.notes
        assert note[0]["params"]["level"] == "warning"
        assert note[0]["params"]["data"]["rejected_proxies"] == [f"web:{port}"]


def test_failed_bind_is_pushed(gateway):
    with socket.create_server(("127.0.0.1", 0)) as occupant, dial(gateway.port) as session:
        taken = occupant.getsockname()[1]
        assert session.login([published("web", taken)])["result"] == {"rejected_proxies": []}
        notes = list(session.notes) or [json.loads(session.hear())]
        params = notes[0]["params"]
        assert notes[0]["method"] == "push_exception" and params["code"] == "PROXY_BIND_RETRY", notes
        assert params["data"]["error"] == f"Port {taken} is already in use by another process"
        assert params["data"]["publish_port"] == taken and params["data"]["retry_count"] == 1
        assert params["data"]["retry_delay_secs"] == 2 and params["data"]["max_retries"] == 10


def test_unknown_visitor_target_does_not_refuse_the_rest(gateway):
    wanted = {
        "bind_addr": "127.0.0.1",
        "bind_port": 3306,
        "name": "mysql",
        "proxy_type": "tcp",
        "publish_port": 3306,
    }
    with dial(gateway.port) as session:
        answer = session.login(visitors=[wanted])
        assert answer["result"]["rejected_proxies"] in ([], ["mysql:3306"])


@pytest.mark.parametrize(
    "messages",
    [
        [submit()],
        [authenticate(), submit(), submit(number=3)],
        [authenticate(), {"jsonrpc": "2.0", "method": "no_such_method", "params": {}, "id": 2}],
        [authenticate(), submit([dict(published("a", 20001), proxy_type="smoke signals")])],
        [authenticate(), submit([dict(published("a", 20001), publish_port=65536)])],
        [authenticate(), submit([dict(published("a", 20001), publish_port="20001")])],
        [authenticate(), {"jsonrpc": "2.0", "method": "submit_config", "params": {"visitors": []}, "id": 2}],
    ],
    ids=[
        "before login",
        "twice",
        "unknown method",
        "unknown type",
        "port too large",
        "port as text",
        "no proxies key",
    ],
)
def test_out_of_order_or_unknown_ends_the_session(gateway, messages):
    with dial(gateway.port) as session:
        for one in messages[:-1]:
            assert "result" in json.loads(session.call(one))
        session.tell(messages[-1])
        assert ended(session), session.frames
        assert tunnel.until(lambda: gateway.endings(session.peer), gateway.log)


def test_both_requests_at_once(gateway):
    with dial(gateway.port) as session:
        session.send(frame(DATA, SYN, 1, body=message(authenticate()) + message(submit())))
        session.control = 1
        assert re.match(AUTHENTICATED, session.hear())
        assert session.hear() == CONFIGURED


def test_messages_split_at_every_byte(gateway):
    """Every place once, in frames of their own and in TLS records of their own."""
    text = message(authenticate())
    for place in range(1, len(text)):
        with dial(gateway.port) as session:
            session.send(frame(DATA, SYN, 1, body=text[:place]))
            session.send(frame(DATA, 0, 1, body=text[place:]))
            session.control = 1
            assert re.match(AUTHENTICATED, session.hear()), f"split after {place} bytes"


def test_single_bytes(gateway):
    """The whole handshake, one byte a frame, and again one byte a TLS record."""
    texts = message(authenticate()) + message(submit()) + message(yamux.HEARTBEAT)
    singles = frame(WINDOW, SYN, 1) + b"".join(frame(DATA, 0, 1, body=bytes([b])) for b in texts)
    records = frame(DATA, SYN, 1, body=texts)
    for stream in ([singles], [records[i : i + 1] for i in range(len(records))]):
        with dial(gateway.port) as session:
            for piece in stream:
                session.send(piece)
            session.control = 1
            assert re.match(AUTHENTICATED, session.hear()) and session.hear() == CONFIGURED


def logged_in(gateway, beat=True, **options):
    port = tunnel.free_port()
    session = dial(gateway.port, **options)
    session.login([published("web", port)], beat=beat)
    tunnel.until(lambda: tunnel.is_listening(port), "published port")
    return session, port


def test_streams_wait_for_the_first_heartbeat(gateway):
    session, port = logged_in(gateway, beat=False)
    with session, socket.create_connection(("127.0.0.1", port)):
        assert not session.pump(lambda: session.opened, 0.3), "a stream before the client runs may be reset"
        session.tell(yamux.HEARTBEAT)
        assert session.pump(lambda: session.opened, 0.5)


def test_streams_wait_only_a_second(gateway):
    session, port = logged_in(gateway, beat=False)
    with session, socket.create_connection(("127.0.0.1", port)):
        assert session.pump(lambda: session.opened, 2.5)


def test_proxy_stream(gateway):
    """Even ids, SYN with the port, frames of 16,384 bytes at most, and an answer that RST follows."""
    session, port = logged_in(gateway)
    with session, socket.create_connection(("127.0.0.1", port)) as user:
        assert port_of(session, 2) == struct.pack(">H", port)
        assert session.opened == [2] and session.stream(2).frames[0][:2] == (DATA, SYN)
        user.sendall(bytes(200_000))
        assert session.read(2, 200_000) == bytes(200_000)
        assert max(length for kind, _, length in session.stream(2).frames if kind == DATA) <= 16384
        session.data(2, b"the answer")
        session.send(frame(DATA, RST, 2))
        assert end_of(user) == (b"the answer", "eof")
    assert session.goaway is None


def port_of(session, number):
    session.pump(lambda: session.opened)
    return session.read(number, 2)


def test_user_who_closes_gets_the_answer_first(gateway):
    """A stock client drops everything at a FIN: ours waits with it while the answer comes."""
    session, port = logged_in(gateway)
    with session, socket.create_connection(("127.0.0.1", port)) as user:
        user.sendall(b"question")
        user.shutdown(socket.SHUT_WR)
        port_of(session, 2)
        assert session.read(2, 8) == b"question"
        assert not session.pump(lambda: session.stream(2).fin or session.stream(2).rst, 1.5)
        session.data(2, b"answer", FIN)
        assert end_of(user) == (b"answer", "eof")
        assert session.pump(lambda: session.stream(2).fin or session.stream(2).rst)


def visit(session, name, port, pieces=1):
    head = struct.pack(">H", len(name)) + name.encode() + struct.pack(">H", port)
    cuts = {1: [head], 3: [head[:2], head[2:-2], head[-2:]]}.get(pieces) or [
        head[i : i + 1] for i in range(len(head))
    ]
    number = session.open(cuts[0])
    for cut in cuts[1:]:
        session.data(number, cut)
    return number


@pytest.mark.parametrize("pieces", [1, 3, 100])
def test_visitor_stream(world, pieces):
    gateway, _, port, service = world.published()
    with dial(gateway.port) as session:
        session.login()
        number = visit(session, "web", port, pieces)
        session.data(number, struct.pack(">QQQ", 9, 0, 5))  # does not wait for the verdict
        assert session.read(number, 1) == b"\x01"
        assert session.stream(number).frames[0][1] & ACK
        assert len(session.read(number, 5)) == 5
    assert not service.faults()


def test_visitor_refusal_text(gateway):
    with dial(gateway.port) as session:
        session.login()
        number = visit(session, "mysql", 3306)
        text = b"Proxy 'mysql' with publish_port 3306 not found or client not connected"
        assert session.read(number, 3 + len(text)) == b"\x00\x00\x46" + text
        assert session.pump(lambda: session.stream(number).rst or session.stream(number).fin)
        number = session.open(b"\x00\x00\x0c\xea")
        text = b"Invalid proxy name length (must be 1-255 bytes)"
        assert session.read(number, 3 + len(text)) == b"\x00" + struct.pack(">H", len(text)) + text
        session.send(frame(yamux.PING, SYN, 0, 9))
        assert session.pump(lambda: (yamux.PING, ACK, 0, 9) in session.frames), "the session does not live on"


def test_silence_is_answered_with_pings(gateway):
    """Ours pings every 30 s; the peer's heartbeat needs no answer."""
    if not tunnel.FULL:
        pytest.skip("takes 35 s: FULL=1")
    with dial(gateway.port) as session:
        session.login()
        began, count = time.monotonic(), len(session.pings)
        assert session.pump(lambda: len(session.pings) > count, 35)
        assert time.monotonic() - began > 5
