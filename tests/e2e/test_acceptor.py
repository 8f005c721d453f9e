"""The tests' own listeners: whoever closes one has closed it, and nobody is left to take another's users."""

import socket
import threading

import pytest

import tunnel
from acceptor import Acceptor, hang_up, left_behind


def test_closed_is_closed():
    acceptor = Acceptor(lambda sock: sock.close())
    socket.create_connection(("127.0.0.1", acceptor.port)).close()
    acceptor.close()
    assert not tunnel.is_listening(acceptor.port) and not left_behind()


def test_who_is_left_behind_is_named():
    """What Acceptor is there to avoid: the thread goes on to listen for a socket that is closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def wait_for_nobody():
        listener.accept()[0].close()

    thread = threading.Thread(target=wait_for_nobody, daemon=True)
    thread.start()
    tunnel.until(left_behind, "the thread to wait")
    listener.close()
    assert "wait_for_nobody" in left_behind()[0] and tunnel.is_listening(port)
    socket.create_connection(("127.0.0.1", port)).close()
    thread.join(tunnel.WAIT)
    assert not left_behind()


def test_reader_is_woken():
    ours, theirs = socket.socketpair()
    with theirs:
        reader = threading.Thread(target=ours.recv, args=(1,), daemon=True)
        reader.start()
        hang_up(ours, reader)
        assert theirs.recv(1) == b""


def test_ports_belong_to_one_run():
    port = tunnel.free_port()
    with socket.socket(socket.AF_UNIX) as other, pytest.raises(OSError):
        other.bind(f"\0tunnel-e2e-ports-{port - (port - tunnel.PORTS_FIRST) % tunnel.PORTS_BLOCK}")
