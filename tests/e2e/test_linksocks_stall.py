"""LinkSocks and a reader that sleeps while 8,000 x 4 KiB are sent to it; others on the link go on."""

import contextlib
import socket
import statistics
import threading

import pytest

import socks5
import tunnel
from beside import Feel, Stream
from linksocks_programs import VERSIONS, Client, Original, Server
from mixed import BACK, Answers
from traffic import end_of

PIECE = bytes(range(256)) * 16
COUNT = 8000
CONTENT = PIECE * COUNT
SLEEP_S = 5 if tunnel.FULL else 3  # a reset comes after 2 s
WAIT = 60
ROUNDS = 8 if tunnel.FULL else 1  # readings of how fast others are, which vary


class Place:
    """A server, one link to it, and `socks`, where users come in; `theirs`: the other end is the original."""

    def __init__(self, world, role, theirs):
        self.world, self.socks = world, tunnel.free_port()
        reverse = {"token": "T", "type": "reverse", "socks_addr": f"127.0.0.1:{self.socks}"}
        tokens = [reverse if role == "provider" else {"token": "T", "type": "forward"}]
        self.server = world.add(Server(world.folder, world.engine, world.certificate, tokens)).ready()
        if theirs:
            users = ["--socks", self.socks] if role == "client" else []
            world.add(Original(VERSIONS[0], role, self.server.url, "T", *users)).ready()
        else:
            own = {"reverse": True} if role == "provider" else {}
            client = Client(world.folder, world.engine, self.server.address, "T", **own)
            self.socks = world.add(client).ready().socks or self.socks
        self.server.wait_listening(self.socks)
        self.answers = Answers()
        world.closers.append(self.answers.close)

    @contextlib.contextmanager
    def pair(self):
        """A user and the target that it leads to."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with socks5.connect(self.socks, listener.getsockname()[1]) as user:
                with listener.accept()[0] as target:
                    yield user, target

    def echo(self):
        sock = socks5.connect(self.socks, self.answers.port, timeout=WAIT)
        sock.sendall(bytes([BACK]))
        return sock


def send(sock):
    """All of it and the end, unless the channel is reset before."""

    def run():
        with contextlib.suppress(OSError):
            for _ in range(COUNT):
                sock.sendall(PIECE)
            sock.shutdown(socket.SHUT_WR)

    threading.Thread(target=run, daemon=True).start()


def sleep():
    threading.Event().wait(SLEEP_S)


@pytest.mark.parametrize("role", ["client", "provider"])
def test_stock_sender_our_reader(world, role):
    """Without flow control: every byte, or a reset that the log explains; never a gap."""
    place = Place(world, role, theirs=True)
    with place.pair() as ends, Feel(place.echo()) as beside:
        sender, reader = ends if role == "client" else reversed(ends)
        send(sender)
        sleep()
        found, end = end_of(reader, WAIT)
        assert found == CONTENT[: len(found)]
        if len(found) < len(CONTENT):
            assert end == "reset" and place.server.matching("stalled reader"), (len(found), end)
    print(f"{len(found)} of {len(CONTENT)} bytes, then {end}; others waited {beside.longest:.2f} s at most")


@pytest.mark.parametrize("role", ["client", "provider"])
def test_credit_between_our_ends(world, role):
    """Every byte and the end; a stream beside goes on, how fast is told."""
    place = Place(world, role, theirs=False)
    beside = Stream(place.echo())
    alone, during = [], []
    for _ in range(ROUNDS):
        alone.append(beside.rate(SLEEP_S / 3))
        with place.pair() as ends:
            sender, reader = ends if role == "client" else reversed(ends)
            send(sender)
            during.append(beside.rate(SLEEP_S))
            assert end_of(reader, WAIT) == (CONTENT, "eof")
    beside.close()
    assert not place.server.matching("stalled reader")
    rates = [statistics.median(rates) for rates in (alone, during)]
    print(f"beside it {rates[1]:.0f} MB/s, {100 * rates[1] / rates[0]:.0f} % of {rates[0]:.0f} MB/s alone")
