"""Over a long way: every byte is right; windows become as large as the way, and no larger than is used."""

import socket
import threading

import pytest

import tunnel
import yamux
from acceptor import hang_up
from traffic import HEAD, start_users, transfer
from way import Way
from yamux import INITIAL_WINDOW

BULK = (256 << 20) if tunnel.FULL else (48 << 20)
WINDOW_MAX = 16 << 20
WINDOW_NEAR = 1 << 20
PIECE = bytes(16372)
USER_BUFFER = 1 << 20


def behind(world, delay_ms):
    """A client whose link takes that long each way: its port, its service."""
    service, gateway = world.service(), world.gateway().ready()
    way = world.add(Way(gateway.port, delay_ms))
    port = tunnel.free_port()
    world.client(way.address, proxies=[tunnel.proxy("web", port, service.port)]).ready()
    return port, service


@pytest.mark.parametrize("direction", ["pull", "push"])
def test_bulk_over_100_ms(world, direction):
    port, service = behind(world, 50)
    up, down = (1, BULK) if direction == "pull" else (BULK, 1)
    transfer(port, up, down)
    for user in start_users(8, port, up // 8, down // 8):
        user.finish()
    assert not service.faults()


class Publisher:
    """A scripted client behind a way: one user pulls through it, and what it may send is counted."""

    def __init__(self, world, delay_ms):
        self.gateway = world.gateway().ready()
        self.way = world.add(Way(self.gateway.port, delay_ms))
        self.session = yamux.dial(self.way.port)
        port = tunnel.free_port()
        self.session.login([yamux.published("web", port)])
        tunnel.until(lambda: tunnel.is_listening(port), "the port")
        self.user = socket.socket()
        # Else the kernel lets it grow, and what it holds hides what the gateway does.
        self.user.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, USER_BUFFER)
        self.user.connect(("127.0.0.1", port))
        self.user.sendall(b"?")
        assert self.session.pump(lambda: len(self.session.opened) > 0)
        self.number = self.session.opened[0]
        assert self.session.read(self.number, 3)[2:] == b"?"  # behind the port
        self.sent = self.taken = 0
        self.reads = threading.Event()
        self.reads.set()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        room = bytearray(1 << 18)
        try:
            while self.reads.wait() and (size := self.user.recv_into(room)):
                self.taken += size
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reads.set()
        hang_up(self.user, self.reader)
        self.session.close()

    @property
    def stream(self):
        return self.session.stream(self.number)

    def may_send(self):
        return self.stream.credit - self.sent

    def send(self, size):
        """So many bytes, as fast as they are granted."""
        while size:
            step = min(size, len(PIECE), self.may_send())
            if step:
                self.session.data(self.number, PIECE[:step])
                self.sent += step
                size -= step
            if size and not self.may_send():
                assert self.session.pump(self.may_send, 10), (self.sent, self.taken, self.stream.credit)

    def window(self):
        """What is granted once all has arrived, been taken and, as far as it will be, granted again."""
        assert not self.session.ended, self.session.ended
        tunnel.until(lambda: self.taken == self.sent, "the user to have all")
        self.echo()
        return self.may_send()

    def echo(self):
        """All that the gateway said before this is heard."""
        heard = len(self.session.frames)
        self.session.send(yamux.frame(yamux.PING, yamux.SYN, 0, 7))
        ponged = lambda: (yamux.PING, yamux.ACK, 0, 7) in self.session.frames[heard:]  # noqa: E731
        assert self.session.pump(ponged, 60)


def test_window_grows_with_the_way(world):
    """And stays while it is used; the gateway never grants more than its largest window."""
    with Publisher(world, 50) as publisher:
        assert publisher.window() == INITIAL_WINDOW
        publisher.send(64 << 20)
        assert WINDOW_MAX // 2 <= publisher.window() <= WINDOW_MAX


def test_window_of_a_near_peer_stays_small(world):
    with Publisher(world, 0) as publisher:
        publisher.send(64 << 20)
        assert publisher.window() <= 2 * WINDOW_NEAR


def test_reader_that_stops_costs_a_window(world):
    """What has arrived and is not taken waits in the gateway: what was granted, then nothing moves."""
    with Publisher(world, 50) as publisher:
        publisher.send(64 << 20)
        publisher.window()
        publisher.reads.clear()
        while publisher.may_send():
            publisher.send(publisher.may_send())
            publisher.echo()
            # The kernel's buffers of the user hold some more.
            assert publisher.sent - publisher.taken < 3 * WINDOW_MAX
        publisher.reads.set()
        publisher.send(1 << 20)
        assert publisher.window() <= WINDOW_MAX


def test_window_shrinks_when_it_is_not_used(world):
    """After a fast time a trickle: half a window that lasts for seconds is not granted again."""
    with Publisher(world, 50) as publisher:
        publisher.send(32 << 20)
        sizes = [publisher.window()]
        assert sizes[0] >= 4 << 20
        while sizes[-1] > sizes[0] // 2 and len(sizes) < 30:
            publisher.send(sizes[0] // 16)
            publisher.session.pump(lambda: False, 0.35)  # a trickle has no event to wait for
            sizes.append(publisher.window())
        assert sizes[-1] <= sizes[0] // 2, sizes


def test_window_shrinks_when_the_way_is_short(world):
    """The next Ping tells: what the stream may have under way is a near peer's again, at full speed."""
    if not tunnel.FULL:
        pytest.skip("waits for a Ping that comes after 30 s: FULL=1")
    with Publisher(world, 50) as publisher:
        publisher.send(64 << 20)
        assert publisher.window() >= WINDOW_MAX // 2
        publisher.way.shorten()
        pings = len(publisher.session.pings)
        assert publisher.session.pump(lambda: len(publisher.session.pings) > pings, 60)
        publisher.echo()
        publisher.send(64 << 20)
        assert publisher.window() <= 2 * WINDOW_NEAR
