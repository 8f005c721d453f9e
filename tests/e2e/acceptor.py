"""A listener on loopback whose connections a thread takes, and the end of what a thread waits on.

Closing a socket does not wake the thread that waits on it: the thread keeps it open, and a listener goes on
to listen. If a signal then interrupts the wait (SIGCHLD will do, while the main thread starts a child), the
kernel asks again for the same number, which by then is a socket of another test. Its connection, or its
bytes, go to the thread that was left behind. So the wait is ended first, and then the socket is closed.
"""

import os
import platform
import socket
import sys
import threading
import traceback

PATIENCE_S = 60
# Calls that wait on the socket that is their first argument.
CALLS = {
    "x86_64": {43: "accept", 288: "accept4", 44: "sendto", 45: "recvfrom", 46: "sendmsg", 47: "recvmsg"},
    "aarch64": {202: "accept", 242: "accept4", 206: "sendto", 207: "recvfrom", 211: "sendmsg"},
}.get(platform.machine(), {})


def hang_up(sock, *threads):
    """Ends what the threads do with the socket, and closes it when they are over."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # not connected, which wakes all the same
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), f"{thread.name} goes on with a socket that was shut down"
    sock.close()


class Acceptor:
    """Calls `take(sock)` for one connection after another, in a thread of its own, until it is closed."""

    def __init__(self, take, backlog=1024, address=("127.0.0.1", 0)):
        self.listener = socket.create_server(address, backlog=backlog)
        self.port = self.listener.getsockname()[1]
        self._take = take
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self._take(sock)

    def close(self):
        hang_up(self.listener, self._thread)


def _call_of(thread):
    """The name of the call in which the thread waits on a socket, and that socket's number; else nothing."""
    try:
        with open(f"/proc/self/task/{thread.native_id}/syscall") as file:
            words = file.read().split()
    except OSError:  # it is over
        return None, None
    name = CALLS.get(int(words[0])) if words[0].isdigit() else None
    return (name, int(words[1], 16)) if name else (None, None)


def left_behind():
    """Threads that wait for connections though the test is over, or on a socket that is closed: where."""
    found = []
    for thread in threading.enumerate():
        name, number = _call_of(thread)
        closed = name and not os.path.exists(f"/proc/self/fd/{number}")
        if name and (closed or name.startswith("accept")):
            frame = sys._current_frames().get(thread.ident)
            where = "".join(traceback.format_stack(frame)[-3:]) if frame else ""
            found.append(f"{thread.name} is left in {name}({number})\n{where}")
    return found
