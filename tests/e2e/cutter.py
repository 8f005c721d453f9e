"""A TCP relay that ends a link after an exact number of bytes, or lets it fall silent."""

import socket
import struct
import threading

from acceptor import Acceptor


class Cutter:
    """Stands before a gateway. `plan` has one (direction, bytes, how) for each connection.

    direction is "up" (towards the gateway) or "down", how is "reset", "end" or "silence".
    """

    def __init__(self, port, plan=()):
        self.port_behind, self.plan = port, list(plan)
        self.cuts, self.connections = 0, 0
        self._open = []
        acceptor = Acceptor(self._take)
        self.port, self.close = acceptor.port, acceptor.close
        self.address = f"127.0.0.1:{self.port}"

    def _take(self, front):
        try:
            back = socket.create_connection(("127.0.0.1", self.port_behind), 5)
        except OSError:
            front.close()
            return
        self.connections += 1
        self._open = [front, back]
        cut = self.plan.pop(0) if self.plan else (None, 0, None)
        for name, source, sink in (("up", front, back), ("down", back, front)):
            limit = cut[1] if cut[0] == name else None
            threading.Thread(target=self._forward, args=(source, sink, limit, cut[2]), daemon=True).start()

    def _forward(self, source, sink, limit, how):
        left = limit
        try:
            while left is None or left > 0:
                received = source.recv(65536 if left is None else min(left, 65536))
                if not received:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(received)
                if left is not None:
                    left -= len(received)
        except OSError:
            return
        self._cut(source, sink, how)

    def _cut(self, source, sink, how):
        self.cuts += 1
        if how == "silence":
            return
        for sock in (source, sink):
            try:
                if how == "reset":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.shutdown(socket.SHUT_RD)  # wakes the other thread
                else:
                    sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def cut_now(self, how="reset"):
        """Ends the newest connection."""
        self._cut(*self._open, how)
