"""How connections end between our own ends: half-close in every order, resets, no clean end too early."""

import contextlib
import socket
import threading

import pytest

import tunnel
from traffic import abort, end_of, exactly

SIZES = [0, 1, 100_000, 3_000_000]


@pytest.fixture(params=["published", "visitor"])
def ends(request, world):
    """Gives a function that makes one connection: the user's socket and the service's."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    world.closers.append(listener.close)
    gateway = world.gateway().ready()
    port = tunnel.free_port()
    world.client(gateway, proxies=[tunnel.proxy("web", port, listener.getsockname()[1])]).ready()
    if request.param == "visitor":
        bind = tunnel.free_port()
        world.client(gateway, name="visiting", visitors=[tunnel.visitor("web", port, bind)]).ready()
        port = bind
    listener.settimeout(tunnel.WAIT)

    def connect():
        user = socket.create_connection(("127.0.0.1", port), tunnel.WAIT)
        service, _ = listener.accept()
        service.settimeout(tunnel.WAIT)
        return user, service

    return connect


def pattern(size):
    return bytes(range(251)) * (size // 251) + bytes(range(size % 251))


class Sender(threading.Thread):
    """Sends beside the test, then closes its direction."""

    def __init__(self, sock, size):
        super().__init__(daemon=True)
        self.sock, self.size = sock, size
        self.start()

    def run(self):
        try:
            self.sock.sendall(pattern(self.size))
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.mark.parametrize("size", SIZES)
def test_user_closes_first(ends, size):
    user, service = ends()
    with user, service:
        sender = Sender(user, size)
        assert end_of(service) == (pattern(size), "eof")
        sender.join()
        Sender(service, size)
        assert end_of(user) == (pattern(size), "eof")


@pytest.mark.parametrize("size", SIZES)
def test_service_closes_first(ends, size):
    user, service = ends()
    with user, service:
        sender = Sender(service, size)
        assert end_of(user) == (pattern(size), "eof")
        sender.join()
        Sender(user, size)
        assert end_of(service) == (pattern(size), "eof")


def test_both_close_at_once(ends):
    user, service = ends()
    with user, service:
        Sender(user, 1_000_000)
        Sender(service, 2_000_000)
        result = []
        reader = threading.Thread(target=lambda: result.append(end_of(service)))
        reader.start()
        assert end_of(user) == (pattern(2_000_000), "eof")
        reader.join()
        assert result == [(pattern(1_000_000), "eof")]


def test_answer_after_a_pause(ends):
    """A half-closed connection stays open while the other side thinks."""
    user, service = ends()
    with user, service:
        user.sendall(b"question")
        user.shutdown(socket.SHUT_WR)
        assert end_of(service) == (b"question", "eof")
        user.settimeout(1.5)
        with pytest.raises(socket.timeout):
            user.recv(1)
        service.sendall(b"answer")
        service.close()
        assert end_of(user) == (b"answer", "eof")


def test_user_resets(ends):
    """A reset is passed on as a reset: the service must not take what it has for all there was."""
    user, service = ends()
    with service:
        user.sendall(b"some of it")
        assert exactly(service, 10) == b"some of it"
        abort(user)
        assert end_of(service)[1] == "reset"


def test_service_resets(ends):
    user, service = ends()
    with user:
        service.sendall(b"some of it")
        assert exactly(user, 10) == b"some of it"
        abort(service)
        assert end_of(user)[1] == "reset"


def test_reset_of_a_full_connection(ends):
    """Queues are full in both directions when the service resets."""
    user, service = ends()
    with user:
        user.settimeout(0.5)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += user.send(bytes(1 << 16))
        except socket.timeout:
            pass
        assert sent < 64 << 20, "nothing stops a user whose service does not read"
        abort(service)
        assert end_of(user)[1] == "reset"


def test_user_leaves_without_a_word(ends):
    user, service = ends()
    with service:
        user.close()
        assert end_of(service) == (b"", "eof")
    user, service = ends()
    with user:
        service.close()
        assert end_of(user) == (b"", "eof")


def test_dial_is_called_off_when_its_user_leaves(world):
    """Else a flood of users who reset would keep a connect each, for as long as one may take."""
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # its queue is full: nobody else gets an answer
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        gateway = world.gateway().ready()
        port = tunnel.free_port()
        proxies = [tunnel.proxy("deaf", port, deaf.getsockname()[1])]
        owner = world.client(gateway, proxies=proxies, local_retries=1).ready()
        before = owner.descriptors()
        users = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(20)]
        for user in users:
            user.sendall(b"x")
        tunnel.until(lambda: owner.descriptors() == before + len(users), "the dials")
        stays = users.pop(0)  # whose dial was the first and takes as long as it may
        for user in users:
            abort(user)
        tunnel.until(lambda: owner.descriptors() <= before + 1, "the end of all but one")
        assert owner.descriptors() == before + 1
        stays.setblocking(False)
        with pytest.raises(BlockingIOError):
            stays.recv(1)
