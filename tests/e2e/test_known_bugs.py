"""Defects of the original, by their numbers in the notes on its protocol: ours has none of them.

What other files assert already is not repeated:

  fixed 1.2.2, Host, ports     test_transports: the request; test_generations: test_client_of_a_gateway
  fixed 1.2.3, top             test_top
  fixed 1.3.3, direction       test_management: test_what_was_carried_is_told_to_the_byte
  2, the 513th stream          test_hostile: test_thousands_of_channels_of_one_client (a client opens them)
  3, pieces of messages        test_wire_gateway, test_wire_client: over tls
  4, refusals                  test_wire_gateway: over tls; test_generations: keys, configurations
  5, window leak               test_http2: test_a_client_like_the_original
  7, half-close                test_ends; test_wire_gateway: test_user_who_closes_gets_the_answer_first,
                               test_proxy_stream (an answer that RST ends)
  9, http2 behind a proxy      test_transports: test_in_clear
  16, forwarders               test_forwarders: test_success_is_told_after_the_connect; test_forwarders_http:
                               test_bytes_behind_connect_are_the_first_of_the_tunnel,
                               test_what_goes_on_byte_by_byte (a plain request takes the tunnel)
  17, ranges; suffixes         test_forwarders: test_private_targets_are_denied_by_default; unit: routing_test
  18, HTML                     test_management: test_names_are_text_everywhere
  19, size_limits              test_import
  20, timeouts                 test_hostile: test_deadlines_of_the_unfinished; test_http2: test_silence
  22, lengths                  test_generations: test_length_of_two_gigabytes; unit: legacy_test
"""

import json
import socket
import struct
import time

import pytest

import carriers
import http2
import legacy
import socks5
import tunnel
import yamux
from carriers import TRANSPORTS
from forwarding import forwarding
from test_forwarders import refusal
from traffic import abort, end_of, exactly, transfer
from yamux import ACK, DATA, FIN, PING, RST, SYN, WINDOW, authenticate, frame, message, published, submit


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    return request.param


@pytest.fixture
def gateway(world):
    return world.gateway().ready()


def stock_client(gateway, transport="tls", **options):
    """One that publishes `web`, and its port."""
    port = tunnel.free_port()
    session = carriers.dial(transport, gateway.port, **options)
    assert session.login([published("web", port)])["result"] == {"rejected_proxies": []}
    gateway.wait_listening(port)
    return session, port


def stock_gateway(world, local, transport="tls", **options):
    """One of the test, with our client behind it, which publishes port 8080."""
    listening = carriers.server(transport, world.certificate)
    world.closers.append(listening.close)
    proxies = [tunnel.proxy("web", 8080, local.getsockname()[1])]
    client = world.client(
        listening.address, transport=transport, proxies=proxies, **options.pop("client", {})
    )
    session = listening.accept(**options)
    session.admit()
    assert session.hear() == yamux.HEARTBEAT
    return client, session


def lives(session, nonce=4711):
    """It answers a ping."""
    session.send(frame(PING, SYN, 0, nonce))
    return session.pump(lambda: (PING, ACK, 0, nonce) in session.frames)


def users_of(port, count):
    """Each has sent its number."""
    users = [socket.create_connection(("127.0.0.1", port), tunnel.WAIT) for _ in range(count)]
    for number, user in enumerate(users):
        user.settimeout(tunnel.WAIT)
        user.sendall(struct.pack(">I", number))
    return users


def crowd(port, count):
    """The same of more than are served: those who were not told at once that they are not."""
    users = []
    for _ in range(count):
        try:
            users += users_of(port, 1)
        except ConnectionError:
            pass
    return users


def is_closed(user):
    user.settimeout(0.001)
    try:
        return user.recv(1) == b""
    except ConnectionError:
        return True
    except socket.timeout:
        return False


# ---- fixed by the original ----


def test_fixed_141_visitors_after_a_reconnect(world):
    """One listener for each visitor, whatever the link has been through, and it leads to the new link."""
    gateway, client, visiting, bind, service = world.visited()
    for turn in range(2):
        gateway.kill()
        visiting.wait_line("link lost")
        gateway = world.gateway(name=f"again{turn}", port=gateway.port).ready()
        gateway.wait_line('"published"', timeout=30)
        tunnel.until(lambda: reaches(bind), visiting.log, 30)
    with open("/proc/net/tcp") as table:
        assert sum(f"0100007F:{bind:04X} 00000000:0000 0A" in line for line in table) == 1


def reaches(port):
    try:
        transfer(port, 1000, 1000)
        return True
    except (AssertionError, OSError):
        return False


def test_fixed_150_pings_are_answered_while_nothing_else_moves(gateway, transport):
    session, _ = stock_client(gateway, transport)
    with session:
        for nonce in range(20):
            assert lives(session, nonce)


# ---- 1, 2: how many streams ----


def test_1_acks_never_come(gateway):
    """A peer that acknowledges nothing has its 300 streams all the same."""
    session, port = stock_client(gateway, grants=False)
    with session:
        users = users_of(port, 300)
        assert session.pump(lambda: len(session.opened) == 300, 30), len(session.opened)
        seen = {session.read(number, 6)[2:] for number in session.opened}
        assert seen == {struct.pack(">I", n) for n in range(300)}
        for number in session.opened:  # the lazy kind: ACK rides on the first data
            session.data(number, b"answer", ACK)
        for user in users:
            assert exactly(user, 6) == b"answer"
            user.close()
        assert lives(session)


def test_1_ours_acknowledges_at_once(world, local):
    """The gateway's 300 streams are acknowledged though no service says a word; such a peer stops at 256."""
    _, session = stock_gateway(world, local)
    with session:
        numbers = [session.open(struct.pack(">H", 8080)) for _ in range(300)]
        assert session.pump(lambda: all(session.stream(n).ack for n in numbers), 30)
        assert all(session.stream(n).frames[0] == (WINDOW, ACK, 0) for n in numbers)
        conns = [local.accept()[0] for _ in numbers]
        for conn in conns:
            conn.close()


def test_1_ours_acknowledges_visitors_at_once(world):
    gateway, _, port, _ = world.published()
    with yamux.dial(gateway.port) as session:
        session.login()
        numbers = [session.open(b"\x00\x03we") for _ in range(300)]  # heads that are not over
        assert session.pump(lambda: all(session.stream(n).ack for n in numbers), 30)
        for number in numbers:
            session.data(number, b"b" + struct.pack(">H", port))
        assert session.pump(lambda: all(session.stream(n).received == b"\x01" for n in numbers), 30)


def test_2_the_513th_stream(gateway):
    """Ours never opens so many towards a stock peer: who comes too late is closed, and room is used again."""
    session, port = stock_client(gateway)
    with session:
        users = crowd(port, 600)
        session.pump(lambda: len(session.opened) > 500, 3)
        served = len(session.opened)
        assert 400 < served <= 500, served
        tunnel.until(lambda: sum(not is_closed(user) for user in users) == served, gateway.log)
        for number in session.opened:
            session.send(frame(DATA, RST, number))
        assert lives(session)
        late = users_of(port, 1)
        assert session.pump(lambda: len(session.opened) == served + 1)
        for user in users + late:
            user.close()


def test_2_the_513th_stream_of_our_client(world):
    """Visitors of a client whose gateway is stock."""
    bind = tunnel.free_port()
    with carriers.server("tls", world.certificate) as listening:
        client = world.client(listening.address, visitors=[tunnel.visitor("web", 8080, bind)])
        with listening.accept() as session:
            session.admit()
            client.wait_listening(bind)
            users = crowd(bind, 600)
            session.pump(lambda: len(session.opened) > 501, 3)
            assert 400 < len(session.opened) <= 501, len(session.opened)  # one is the control stream
            assert lives(session)
            for user in users:
                user.close()


# ---- 3, 4: the control stream ----


def alone(session, raw):
    """Every byte in a message, a DATA frame, a record of its own."""
    for byte in raw:
        session.send(bytes([byte]))


def between(session, raw):
    """Every byte in a yamux frame of its own, and something else behind each."""
    session.send(frame(WINDOW, SYN, 1))
    for at, byte in enumerate(raw):
        session.data(1, bytes([byte]))
        if at % 7 == 0:
            session.send(frame(PING, SYN, 0, at) + frame(DATA, FIN, 99))


@pytest.mark.parametrize("how", [alone, between])
def test_3_messages_in_pieces(gateway, transport, how):
    port = tunnel.free_port()
    text = message(authenticate()) + message(submit([published("web", port)])) + message(yamux.HEARTBEAT)
    with carriers.dial(transport, gateway.port) as session:
        session.control = 1
        how(session, frame(DATA, SYN, 1, body=text) if how is alone else text)
        assert "result" in json.loads(session.answer())
        assert json.loads(session.answer())["result"] == {"rejected_proxies": []}
        gateway.wait_listening(port)
        with socket.create_connection(("127.0.0.1", port)):
            assert session.pump(lambda: session.opened == [2])


def test_3_answers_in_pieces(world, local, transport):
    """Length, then streams and pings, then the text: the client keeps its place."""
    with carriers.server(transport, world.certificate) as listening:
        proxies = [tunnel.proxy("web", 8080, local.getsockname()[1])]
        client = world.client(listening.address, transport=transport, proxies=proxies)
        with listening.accept() as session:
            session.send(frame(PING, SYN, 0, 1))
            for result in ({"client_id": "c", "protocol_version": "1.5.1"}, {"rejected_proxies": []}):
                request = json.loads(session.hear())
                raw = message({"jsonrpc": "2.0", "result": result, "id": request["id"]})
                session.data(1, raw[:4])
                session.send(frame(PING, SYN, 0, 2) + frame(DATA, RST, 98) + frame(WINDOW, 0, 1, 10))
                for byte in raw[4:]:
                    session.data(1, bytes([byte]))
            assert session.hear() == yamux.HEARTBEAT
            client.wait_line('"link up"')


def test_4_refusals_come_before_the_end(gateway, transport):
    with carriers.dial(transport, gateway.port) as session:
        answer = json.loads(session.call(authenticate("wrong key, long enough")))
        assert answer["error"] == {"code": -32000, "message": "Invalid authentication key"}
        session.pump(lambda: False, 5)
        assert session.ended, "the session goes on"
    with carriers.dial(transport, gateway.port) as session:
        session.call(authenticate())
        answer = json.loads(session.call(submit([published("web", gateway.port)])))
        assert answer["error"]["message"] == "All proxies rejected: Port conflict: web"
        session.pump(lambda: False, 5)
        assert session.ended, "the session goes on"


# ---- 5, 6: what a careless receiver needs ----


def test_5_nothing_leaks_towards_a_gateway(world):
    """Megabytes from our client's service, to one that forgets all but the first read of a frame."""
    service = world.service()
    with http2.Server(world.certificate) as listening:
        proxies = [tunnel.proxy("web", 8080, service.port)]
        client = world.client(listening.address, transport="http2", proxies=proxies)
        with listening.accept() as session:
            session.admit()
            size = 4 << 20
            number = session.open(struct.pack(">H", 8080) + struct.pack(">QQQ", 77, 0, size))
            assert len(session.read(number, size, 60)) == size, client.log()
            assert session.sock.leaker.leaked == 0


def test_6_no_message_is_empty(world, gateway):
    """Neither of ours sends one (the receivers here end at it); and one that comes means nothing."""
    session, port = stock_client(gateway, "wss")
    with session, socket.create_connection(("127.0.0.1", port), tunnel.WAIT) as user:
        session.sock.sendall(b"")
        user.sendall(bytes(1 << 20))
        assert session.pump(lambda: session.opened)
        session.sock.sendall(b"")
        assert session.read(2, 2 + (1 << 20)) == struct.pack(">H", port) + bytes(1 << 20)
        assert lives(session) and min(session.sock.sizes) > 0


def test_6_no_message_of_our_client_is_empty(world, local):
    _, session = stock_gateway(world, local, "wss")
    with session:
        session.sock.sendall(b"")
        number = session.open(struct.pack(">H", 8080))
        conn, _ = local.accept()
        with conn:
            conn.sendall(bytes(200_000))
            session.sock.sendall(b"")
            assert session.read(number, 200_000) == bytes(200_000)
        assert session.pump(lambda: session.stream(number).fin)


# ---- 7: ends ----


def test_7_answers_that_end_with_the_connection(gateway, transport):
    """FIN, as other implementations say it, and RST, as the original does: the user hears of it at once."""
    session, port = stock_client(gateway, transport)
    with session:
        for turn, last in enumerate([FIN, RST]):
            with socket.create_connection(("127.0.0.1", port)) as user:
                user.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert session.pump(lambda turn=turn: len(session.opened) > turn)
                number = session.opened[turn]
                session.data(number, b"to the end")
                session.send(frame(DATA, last, number))
                assert end_of(user) == (b"to the end", "eof")


@pytest.mark.parametrize("leave", [socket.socket.close, abort], ids=["closes", "resets"])
def test_7_an_idle_user_leaves(world, leave):
    """His stream ends, though the service says nothing more, and what it took is free again."""
    gateway = world.gateway(top={"limits": {"http_idle": "1s"}}).ready()
    session, port = stock_client(gateway)
    with session:
        user = socket.create_connection(("127.0.0.1", port))
        user.sendall(b"question")
        assert session.pump(lambda: session.opened)
        assert session.read(2, 10)[2:] == b"question"
        session.data(2, b"answer")
        assert exactly(user, 6) == b"answer"
        leave(user)
        assert session.pump(lambda: session.stream(2).fin or session.stream(2).rst, 10 * tunnel.PATIENCE)
        assert lives(session)


def test_7_a_visitor_closes_his_direction(world):
    """The original drops everything at the first end: ours brings the answer."""
    gateway, _, port, service = world.published()
    with yamux.dial(gateway.port) as session:
        session.login()
        number = session.open(b"\x00\x03web" + struct.pack(">H", port) + struct.pack(">QQQ", 5, 0, 100_000))
        session.data(number, b"", FIN)
        assert len(session.read(number, 1 + 100_000)) == 100_001
        assert session.pump(lambda: session.stream(number).fin)
    assert not service.faults()


# ---- 8: who is silent stops nobody ----


def silent_at_each_stage(port):
    socks = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(3)]
    socks[1].sendall(b"\x16\x03\x01")
    socks += [carriers.secure(port), carriers.secure(port, alpn=["h2"]), carriers.secure(port, alpn=["h2"])]
    socks[-1].sendall(http2.PREFACE)
    socks.append(carriers.secure(port))
    socks[-1].sendall(b"GET /tunnel/ HTTP/1.1\r\nHost: x\r\n")
    for one in TRANSPORTS:
        socks.append(carriers.dial(one, port))
    return socks


def test_8_silent_peers_block_nobody(gateway, transport):
    silent = [sock for _ in range(3) for sock in silent_at_each_stage(gateway.port)]
    began = time.monotonic()
    session, _ = stock_client(gateway, transport)
    session.close()
    assert time.monotonic() - began < 8 * tunnel.PATIENCE, "it had to wait for the deadline of another"
    for sock in silent:
        sock.close()


# ---- 10, 11, 12: who holds a name, who a port ----


def test_10_what_was_refused_is_not_listened_for(world):
    """Nor is its user told of retries; and when its holder leaves, nobody steals the port."""
    gateway, client, port, _ = world.published()
    free = tunnel.free_port()
    with yamux.dial(gateway.port) as session:
        answer = session.login([published("web", port), published("free", free)])
        assert answer["result"] == {"rejected_proxies": [f"web:{port}"]}
        gateway.wait_listening(free)
        transfer(port, 1000, 1000)
        client.stop()
        tunnel.until(lambda: not tunnel.is_listening(port), gateway.log)
        session.pump(lambda: False, 3)  # the first retry of the original comes after two seconds
        codes = [note["params"]["code"] for note in session.notes]
        assert codes == ["PARTIAL_CONFIG_REJECTION"] and len(session.stream(1).received) == 0
        assert not tunnel.is_listening(port) and session.ended is None


def test_11_one_port_under_two_names(world):
    """The first keeps it, the second is told, and has it when the first leaves: never do both."""
    gateway, first, port, service = world.published(gateway={"top": {"cores": 2}})
    with yamux.dial(gateway.port) as session:
        session.login([published("other", port)])
        session.pump(lambda: session.notes or session.stream(1).received, 5)
        note = session.notes[0] if session.notes else json.loads(session.hear())
        assert note["params"]["code"] == "PROXY_BIND_RETRY", note
        for _ in range(10):
            transfer(port, 1000, 1000)
        assert session.opened == []
        first.stop()
        gateway.wait_line('"published".*"other"', timeout=30)
        with socket.create_connection(("127.0.0.1", port)):
            assert session.pump(lambda: session.opened)
    assert not service.faults()


def test_12_visitors_before_their_targets(world):
    """Whoever starts first: the visitor finds what is published later."""
    gateway, service = world.gateway().ready(), world.service()
    bind, port = tunnel.free_port(), tunnel.free_port()
    world.client(gateway, name="visiting", visitors=[tunnel.visitor("web", port, bind)]).ready()
    with socket.create_connection(("127.0.0.1", bind)) as user:
        assert end_of(user)[0] == b""
    world.client(gateway, name="late", proxies=[tunnel.proxy("web", port, service.port)]).ready()
    transfer(bind, 1000, 1000)


def test_12_visitors_that_a_stock_gateway_rejects(world):
    """They are tried all the same when somebody comes: the target may be there by then."""
    bind = tunnel.free_port()
    with carriers.server("tls", world.certificate) as listening:
        client = world.client(listening.address, visitors=[tunnel.visitor("web", 8080, bind)])
        with listening.accept() as session:
            session.admit(["web:8080"])
            client.wait_listening(bind)
            with socket.create_connection(("127.0.0.1", bind)) as user:
                assert session.pump(lambda: len(session.opened) == 2)
                session.data(session.opened[1], b"\x01hello", FIN)
                assert end_of(user) == (b"hello", "eof")


# ---- 13, 14, 15: local connections ----


@pytest.mark.parametrize("kind", ["http/1.1", "http/2.0", "tcp", "ssh"])
def test_13_local_connections_are_nobody_else_s(world, local, kind):
    """One for each user, made when he comes, and nobody hears what was said to another."""
    gateway = world.gateway().ready()
    port = tunnel.free_port()
    proxies = [tunnel.proxy("web", port, local.getsockname()[1], type=kind)]
    world.client(gateway, proxies=proxies).ready()
    local.settimeout(0.3)
    with pytest.raises(socket.timeout):
        local.accept()
    local.settimeout(tunnel.WAIT)
    for turn in range(3):
        user = socket.create_connection(("127.0.0.1", port), tunnel.WAIT)
        user.sendall(b"question %d" % turn)
        conn, _ = local.accept()
        with conn:
            assert exactly(conn, 10) == b"question %d" % turn, "a byte was eaten, or is another's"
            conn.sendall(b"answer %d, half of" % turn)
            assert exactly(user, 8) == b"answer %d" % turn
            user.close()
            assert end_of(conn)[1] in ("eof", "reset")
    local.settimeout(0.3)
    with pytest.raises(socket.timeout):
        local.accept()


def test_14_no_second_connection_in_the_middle(world, local):
    """The service resets: so does the user's connection, and the rest of it goes nowhere else."""
    gateway = world.gateway().ready()
    port = tunnel.free_port()
    world.client(gateway, proxies=[tunnel.proxy("web", port, local.getsockname()[1])]).ready()
    with socket.create_connection(("127.0.0.1", port), tunnel.WAIT) as user:
        user.sendall(b"question")
        conn, _ = local.accept()
        assert exactly(conn, 8) == b"question"
        abort(conn)
        assert end_of(user) == (b"", "reset")
    local.settimeout(1.5)
    with pytest.raises(socket.timeout):
        local.accept()


def test_15_reconnects_leave_nothing(world):
    gateway, client, port, _ = world.published()
    before = None
    for turn in range(4):
        gateway.kill()
        seen = len(client.lines)
        gateway = world.gateway(name=f"again{turn}", port=gateway.port).ready()
        client.wait_line('"link up"', since=seen, timeout=30)
        gateway.wait_listening(port)
        transfer(port, 1000, 1000)
        before = before or client.descriptors()
    tunnel.until(lambda: client.descriptors() <= before, lambda: f"{client.descriptors()} of {before}")


# ---- 16, 17: forwarders ----


def test_16_one_failure_blacklists_nobody(world):
    """The target did not answer once; a moment later it does."""
    _, _, port = forwarding(world)
    target = tunnel.free_port()
    for _ in range(3):
        assert refusal(port, target) == 5
    with socket.create_server(("127.0.0.1", target)) as listener, socks5.connect(port, target) as user:
        there, _ = listener.accept()
        with there:
            user.sendall(b"now")
            assert exactly(there, 3) == b"now"


GAPS = ["224.0.0.1", "239.255.255.250", "255.255.255.255", "ff02::1", "100.127.255.254", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254", "::"]  # fmt: skip


def test_17_gaps_of_the_filter(world):
    gateway, _, port = forwarding(world, access=None)
    for host in GAPS:
        assert refusal(port, 80, host) == 2, host
    gateway.wait_line('"forward refused"')


# ---- 20 to 23 ----


def test_20_logins_that_are_not_made(gateway):
    """The transport is there and nothing else: each session ends when its time is over, with one line."""
    sessions = [carriers.dial(one, gateway.port) for one in TRANSPORTS]
    for session in sessions:
        with session:
            session.pump(lambda: False, 20 * tunnel.PATIENCE)
            assert session.ended, "still open"
        tunnel.until(lambda peer=session.peer: gateway.endings(peer), gateway.log)
        assert len(gateway.endings(session.peer)) == 1


def test_21_windows_stay_far_from_overflow(gateway):
    """Whatever is sent through one stream, no more is granted ahead than the original bears."""
    session, port = stock_client(gateway)
    with session, socket.create_connection(("127.0.0.1", port), tunnel.WAIT) as user:
        user.setblocking(False)
        assert session.pump(lambda: session.opened)
        stream, sent = session.stream(2), 0
        while sent < 32 << 20:
            piece = min(16384, stream.credit - sent)
            if piece > 0:
                session.data(2, bytes(piece))
                sent += piece
            assert stream.credit - sent <= 16 << 20
            session.pump(lambda: stream.credit > sent, 0.001 if piece > 0 else 1)
            try:
                while user.recv(1 << 20):
                    pass
            except BlockingIOError:
                pass


def test_21_a_goaway_is_an_end(gateway):
    """The original goes on after one; ours lets the streams finish and opens no more."""
    session, port = stock_client(gateway)
    with session:
        session.send(frame(yamux.GOAWAY, 0, 0, 1))
        session.pump(lambda: session.ended, 10)
        assert session.ended
        tunnel.until(lambda: not tunnel.is_listening(port), gateway.log)


@pytest.mark.parametrize("config", [b"nope", b'{"version":2,"proxies":[]}'])
def test_22_who_is_closed_silently_is_in_the_log(gateway, config):
    with legacy.dial(gateway.port) as raw:
        raw.send(legacy.key_message("1.4") + legacy.sized(config))
        assert raw.rest() == b"\x01"
        tunnel.until(lambda: gateway.endings(raw.peer), gateway.log)
        assert len(gateway.endings(raw.peer)) == 1 and gateway.endings(raw.peer)[0].get("detail")


def test_23_a_proxy_that_is_named_like_a_forward(gateway):
    """Ours does not offer such a name, others may: it is published and visited as any other, for a forward
    has no port."""
    port, name = tunnel.free_port(), "@forward:example.com:443"
    head = struct.pack(">H", len(name)) + name.encode() + struct.pack(">H", port)
    with yamux.dial(gateway.port) as session:
        assert session.login([published(name, port)])["result"] == {"rejected_proxies": []}
        gateway.wait_listening(port)
        number = session.open(head + b"question")
        assert session.read(number, 1) == b"\x01"
        assert session.read(2, 10) == struct.pack(">H", port) + b"question"
        session.data(2, b"answer", FIN)
        assert session.read(number, 6) == b"answer"
