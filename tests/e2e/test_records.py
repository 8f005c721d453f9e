"""Records that no peer may send, on real links: the alert that RFC 8446 names, one line with the reason, and
nothing delivered of the record or of what follows; a link beside it goes on.
"""

import re
import socket
import struct

import pytest

import tunnel
import yamux
from forger import ALERT, DATA, HANDSHAKE, KEY_UPDATE, RECORD, Forger
from openssl import End, Settings
from traffic import Reference, end_of

UNEXPECTED, BAD_MAC, OVERFLOW, ILLEGAL, DECODE = 10, 20, 22, 47, 50
FLOOD = 33  # one more without data in a row than is taken
CRYPTO = {"record": {}, "library": {"env": {"TUNNEL_CRYPTO": "library"}}}


def altered(forger):
    record = bytearray(forger.sealed(DATA, b"altered"))
    record[-1] ^= 1
    forger.raw(bytes(record))


def empty_flood(forger):
    for _ in range(FLOOD):
        forger.forge(DATA)


def update_flood(forger):
    for _ in range(FLOOD):
        forger.update()


def updates_that_ask(forger):
    for _ in range(FLOOD):
        forger.update(1)


def half_a_message(forger):
    forger.forge(HANDSHAKE, KEY_UPDATE[:2])
    forger.forge(DATA, b"between")
    forger.forge(HANDSHAKE, KEY_UPDATE[2:] + b"\x00")


def one(*record):
    return lambda forger: forger.forge(*record)


HELLO = b"\x01\x00\x00\x2a\x03\x03" + bytes(40)
# What is sent, the alert, what the log says where the record path is in use.
BAD = {
    "altered": (altered, BAD_MAC, "failed to authenticate"),
    "unknown type": (one(77, b"abc"), UNEXPECTED, "a type that TLS does not have"),
    "all padding": (one(0, b"", 99), UNEXPECTED, "all padding"),
    "flood of empty records": (empty_flood, UNEXPECTED, "too many records without data"),
    "one byte too much inside": (one(DATA, bytes(RECORD + 1)), OVERFLOW, "more in it"),
    "a header too large": (one(DATA, bytes(RECORD + 240)), OVERFLOW, "a record header"),
    "flood of KeyUpdates": (update_flood, UNEXPECTED, "too many records without data"),
    "flood of KeyUpdates that ask": (updates_that_ask, UNEXPECTED, "too many records without data"),
    "KeyUpdate of a kind": (one(HANDSHAKE, KEY_UPDATE + b"\x02"), ILLEGAL, "a message that may not"),
    "KeyUpdate of a length": (one(HANDSHAKE, b"\x18\x00\x00\x02\x00\x00"), DECODE, "a message that may not"),
    "ClientHello again": (one(HANDSHAKE, HELLO), UNEXPECTED, "a message that may not"),
    "half a message, then data": (half_a_message, UNEXPECTED, "a message that may not"),
    "alert of three bytes": (one(ALERT, b"\x01\x00\x00"), DECODE, "an alert of a size"),
    "alert in the clear": (lambda f: f.raw(b"\x15\x03\x03\x00\x02\x02\x28"), UNEXPECTED, "in the clear"),
}


@pytest.fixture(params=CRYPTO)
def crypto(request):
    return request.param


class Attack:
    """A link of ours with a forger on its other end, and a user with a stream on it."""

    def begin(self, user, session, program, port, number):
        self.user, self.session, self.program, self.number = user, session, program, number
        self.forger, self.peer = session.sock, session.peer
        user.sendall(b"question")
        session.read(number, len(port) + 8)
        session.data(number, b"before")
        received = b""
        while len(received) < 6:
            received += user.recv(6 - len(received))
        assert received == b"before"
        return self

    def close(self):
        self.user.close()
        self.forger.close()

    def assert_ends(self, alert, pattern, may_be_silent):
        try:
            self.session.data(self.number, b"behind")
        except OSError:
            pass  # ended already
        assert end_of(self.user) == (b"", "reset"), "something was delivered, or it is no reset"
        alerts = self.forger.last_words()
        assert alerts == [(2, alert)] or may_be_silent and not alerts, alerts
        tunnel.until(lambda: self.program.endings(self.peer), self.program.log)
        lines = self.program.endings(self.peer)
        assert len(lines) == 1, lines
        text = " ".join(str(value) for value in lines[0].values())
        assert re.search(pattern, text), text


def as_client(world, gateway):
    """Logs in at our gateway, publishes, and is asked by a user."""
    plain = socket.create_connection(("127.0.0.1", gateway.port), 10)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    session = yamux.Session(Forger(plain), True)
    port = tunnel.free_port()
    session.login([yamux.published("bad", port)])
    user = socket.create_connection(("127.0.0.1", port), 10)
    world.closers += [user.close, plain.close]
    user.sendall(b"")
    return session, user, port


def attack_gateway(world, gateway):
    session, user, port = as_client(world, gateway)
    user.sendall(b"?")
    assert session.pump(lambda: session.opened)
    number = session.opened[0]
    assert session.read(number, 3) == struct.pack(">H", port) + b"?"
    return Attack().begin(user, session, gateway, b"", number)


def attack_client(world, options):
    """Our client logs in at a forger, which opens a stream to a service behind it: that one is the user."""
    listener, service = (socket.create_server(("127.0.0.1", 0), backlog=8) for _ in range(2))
    published = tunnel.proxy("bad", tunnel.free_port(), service.getsockname()[1])
    address = "127.0.0.1:%d" % listener.getsockname()[1]
    client = world.client(address, name="attacked", proxies=[published], options=options)
    listener.settimeout(tunnel.WAIT)
    plain, _ = listener.accept()
    listener.close()
    plain.settimeout(10)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    session = yamux.Session(Forger(plain, world.certificate), False)
    session.peer = address
    session.admit()
    client.wait_line("link up")
    number = session.open(struct.pack(">H", published["publish_port"]))
    service.settimeout(tunnel.WAIT)
    user, _ = service.accept()
    user.settimeout(10)
    world.closers += [user.close, plain.close, service.close]
    return Attack().begin(user, session, client, b"", number)


def judge(attack, name, crypto):
    send, alert, pattern = BAD[name]
    try:
        send(attack.forger)
    except OSError:
        pass  # a flood may be cut short
    fast = attack.program.matching("AES-GCM by ipsec-mb")
    if crypto == "library" or not fast:  # wolfSSL tells the peer of some of these only, and of one less
        attack.assert_ends(UNEXPECTED if alert == DECODE else alert, "TLS failed", True)
    else:
        attack.assert_ends(alert, pattern, False)
    attack.close()


@pytest.mark.parametrize("name", BAD)
def test_bad_record_at_the_gateway(world, name, crypto):
    gateway, _, port, _ = world.published(gateway={"options": CRYPTO[crypto]})
    with Reference(port):
        judge(attack_gateway(world, gateway), name, crypto)


@pytest.mark.parametrize("name", BAD)
def test_bad_record_at_the_client(world, name, crypto):
    judge(attack_client(world, CRYPTO[crypto]), name, crypto)


@pytest.mark.parametrize("end", ["eof", "reset"])
def test_end_without_close_notify(world, end, crypto):
    gateway, _, port, _ = world.published(gateway={"options": CRYPTO[crypto]})
    with Reference(port):
        attack = attack_gateway(world, gateway)
        if end == "eof":
            attack.forger.sock.shutdown(socket.SHUT_WR)
        else:
            attack.session.sock = attack.forger.sock
            attack.session.abort()
        assert end_of(attack.user) == (b"", "reset")
        tunnel.until(lambda: gateway.endings(attack.peer), gateway.log)
        assert len(gateway.endings(attack.peer)) == 1
        attack.close()


def test_close_notify(world, crypto):
    """A stream that was open is reset: its end has not come."""
    gateway, _, port, _ = world.published(gateway={"options": CRYPTO[crypto]})
    with Reference(port):
        attack = attack_gateway(world, gateway)
        attack.forger.forge(ALERT, b"\x01\x00")
        assert end_of(attack.user) == (b"", "reset")
        tunnel.until(lambda: gateway.endings(attack.peer), gateway.log)
        attack.close()


def test_key_updates_below_the_limit(world, crypto):
    """Many in a row, then data, again and again: the answers come, and the link lives."""
    gateway = world.gateway(options=CRYPTO[crypto]).ready()
    attack = attack_gateway(world, gateway)
    for _ in range(8):
        for i in range(16):
            attack.forger.update(i % 2)
        attack.session.data(attack.number, b"piece")
        received = b""
        while len(received) < 5:
            received += attack.user.recv(5 - len(received))
        assert received == b"piece"
        attack.user.sendall(b"answer")
        assert attack.session.read(attack.number, 6) == b"answer"
    assert 8 <= attack.forger.updates <= 64
    attack.close()


def test_renegotiation_is_refused(world):
    """TLS 1.2, where it is allowed at all."""
    gateway, _, port, _ = world.published(gateway={"tls_min_version": "1.2"})
    settings = Settings(tls12=True)
    world.closers.append(settings.close)
    with Reference(port):
        end = End(settings, socket.create_connection(("127.0.0.1", gateway.port), 10), False).shake()
        peer = "%s:%d" % end.sock.getsockname()
        assert end.write(yamux.frame(yamux.PING, yamux.SYN, 0, 1)) == 12
        assert not end.renegotiate()
        end.close()
        tunnel.until(lambda: gateway.endings(peer), gateway.log)
