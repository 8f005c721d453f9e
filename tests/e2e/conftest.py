"""Fixtures: both engines, one certificate for the run, and a world of processes that is torn down and judged.

TUNNEL_ENGINE=epoll (or io_uring, or both with a comma) chooses the engines; all ends of a world use one.
"""

import os
import pathlib
import re
import signal
import socket
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import tunnel  # noqa: E402
from acceptor import left_behind  # noqa: E402
from certificate import Certificate  # noqa: E402
from traffic import Service  # noqa: E402

ENGINES = os.environ.get("TUNNEL_ENGINE", "io_uring,epoll").split(",")
# What a program says when it has failed itself: never in any test.
REPORTS = r"AddressSanitizer|LeakSanitizer|runtime error:|ThreadSanitizer|check failed|panic"


def pytest_configure(config):
    if not os.access(tunnel.BIN, os.X_OK):
        pytest.exit(f"{tunnel.BIN} is not there: build first, or set TUNNEL_BIN", 2)


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(autouse=True)
def alone():
    """A thread that a test leaves behind would take from the tests that follow: acceptor.py tells how."""
    yield
    tunnel.until(lambda: not left_behind(), lambda: "\n".join(left_behind()))


class World:
    """The processes of one test and a folder for their files."""

    def __init__(self, folder, engine, certificate):
        self.folder, self.engine, self.certificate = folder, engine, certificate
        self.processes, self.closers = [], []

    def add(self, process):
        self.processes.append(process)
        return process

    def gateway(self, **options):
        options.setdefault("certificate", self.certificate)
        return self.add(tunnel.Gateway(self.folder, self.engine, **options))

    def client(self, gateway, **options):
        address = gateway if isinstance(gateway, str) else gateway.address
        options.setdefault("certificate", self.certificate)
        return self.add(tunnel.Client(self.folder, self.engine, address, **options))

    def service(self):
        service = Service()
        self.closers.append(service.close)
        return service

    def published(self, **options):
        """A gateway and a client with a checked service behind a port: gateway, client, port, service."""
        service = self.service()
        gateway = self.gateway(**options.pop("gateway", {})).ready()
        port = tunnel.free_port()
        client = self.client(gateway, proxies=[tunnel.proxy("web", port, service.port)], **options).ready()
        return gateway, client, port, service

    def visited(self, **options):
        """The same and a second client that visits: owner's parts and the visitor's port."""
        gateway, client, port, service = self.published(**options)
        bind = tunnel.free_port()
        visitors = [tunnel.visitor("web", port, bind)]
        visiting = self.client(gateway, name="visiting", visitors=visitors, **options).ready()
        return gateway, client, visiting, bind, service

    def close(self):
        """Ends all; says which of our programs died on its own, hung, or was reported by a sanitizer."""
        ours = [p for p in self.processes if isinstance(p, tunnel.Program)]
        wrong = []
        for process in ours:
            code = process.child.poll()
            if code is not None and code < 0 and -code not in (signal.SIGKILL, signal.SIGTERM):
                wrong.append(f"{process.name} died of signal {-code}")
            elif code is None:
                process.signal(signal.SIGTERM)
        for process in self.processes:  # ours need not wait for channels that others forget
            if not isinstance(process, tunnel.Program):
                process.kill()
        for process in reversed(ours):
            if process.child.poll() is None:
                try:
                    process.child.wait(3)
                except Exception:  # channels are open: the second signal ends them
                    process.signal(signal.SIGTERM)
        for process in self.processes:
            if isinstance(process, tunnel.Program) and process.child.poll() is None:
                try:
                    process.wait_exit(10)
                except AssertionError:
                    wrong.append(f"{process.name} hangs after two SIGTERM")
            process.kill()
            wrong += [f"{process.name}: {line}" for line in process.lines if re.search(REPORTS, line)][:5]
        for close in self.closers:
            close()
        return wrong


@pytest.fixture
def world(engine, certificate, request):
    with tempfile.TemporaryDirectory(prefix="tunnel-e2e-") as folder:
        made = World(pathlib.Path(folder), engine, certificate)
        yield made
        failed = getattr(request.node, "failed", False)
        wrong = made.close()
        if failed or wrong:
            for process in made.processes:
                print(process.log())
        if wrong:
            pytest.fail("\n".join(wrong))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    result = yield
    if call.when == "call":
        item.failed = result.get_result().failed


@pytest.fixture
def local(world):
    """A listening socket of the test in the place of a local service."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.settimeout(tunnel.WAIT)
    world.closers.append(listener.close)
    return listener
