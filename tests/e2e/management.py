"""Asking a management listener, over TCP, TLS or a unix socket."""

import http.client
import json
import socket
import ssl

import tunnel


class Answer:
    def __init__(self, response):
        self.status, self.body = response.status, response.read()
        self.fields = {name.lower(): value for name, value in response.getheaders()}

    @property
    def json(self):
        assert self.fields["content-type"] == "application/json"
        return json.loads(self.body)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Management:
    """Where a program tells what it does: `top` is for its configuration."""

    def __init__(self, path=None, **stats):
        self.path, self.port = path, None if path else tunnel.free_port()
        self.address = f"unix:{path}" if path else f"127.0.0.1:{self.port}"
        self.top = {"stats": {"listen_addr": self.address, **stats}}
        self.tls = None

    def connect(self):
        if self.path:
            return _UnixConnection(self.path)
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def trust(self, certificate):
        self.tls = ssl.create_default_context(cafile=str(certificate.cert))
        return self

    def ask(self, path, method="GET", **fields):
        connection = self.connect()
        try:
            connection.request(method, path, headers={k.replace("_", "-"): v for k, v in fields.items()})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def rows(self, path):
        answer = self.ask(path)
        assert answer.status == 200, answer.body
        return answer.json

    def published(self, name="web"):
        return next(row for row in self.rows("/stats") if row["name"] == name)

    def links(self):
        return self.rows("/api/v1/sessions")

    def channels(self):
        return self.rows("/api/v1/channels")
