"""A checked service and an HTTP origin in a process of their own, so that they can be stopped.

As a program it prints the two ports, then a line for everything that did not go as it should: a transfer that
was not whole, a connection without a request, an answer that could not be written.
"""

import http.server
import json
import pathlib
import sys
import threading

import tunnel
from traffic import Content, Service

BACKLOG = 1000  # who is stopped accepts nobody for a while


def tell(**facts):
    print(json.dumps(facts), flush=True)


class Told(Service):
    """Says at once what went wrong."""

    def over(self, outcome):
        if not outcome.whole or outcome.fault:
            tell(transfer=repr(outcome))


class Origin(http.server.BaseHTTPRequestHandler):
    """GET /STREAM/SIZE: so many bytes of that stream's content."""

    protocol_version = "HTTP/1.1"
    asked = None

    def do_GET(self):
        self.asked = self.path
        stream, size = map(int, self.path.split("/")[1:])
        content = Content(stream, 1, size)
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        while not content.whole:
            piece = content.piece()
            self.wfile.write(piece)
            content.done += len(piece)

    def handle(self):
        try:
            super().handle()
        except OSError as error:
            tell(request=self.asked, peer=self.client_address[1], failed=repr(error))
            return
        if self.asked is None:
            tell(request=None, peer=self.client_address[1], failed="a connection without a request")

    def log_message(self, *_):
        pass


class Elsewhere(tunnel.Process):
    """That process, from a test: two ports, and what it has told."""

    def __init__(self):
        super().__init__([sys.executable, pathlib.Path(__file__)], "elsewhere")
        ports = json.loads(self.wait_line('"service"'))
        self.service, self.origin = ports["service"], ports["origin"]

    def told(self):
        """Stack traces are lines, too."""
        return [line for line in self.lines if '"service"' not in line]


def main():
    service = Told(timeout=300)
    origin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    origin.daemon_threads = True
    origin.socket.listen(BACKLOG)
    tell(service=service.port, origin=origin.server_address[1])
    threading.Thread(target=origin.serve_forever).start()


if __name__ == "__main__":
    main()
