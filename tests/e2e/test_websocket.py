"""The WebSocket carrier (tests/websocket says back what it hears) against others: python3-websockets, and
gorilla/websocket with its fragments of 4096 bytes."""

import asyncio
import http
import os
import pathlib
import re

import pytest

import peers
import tunnel

try:
    import websockets
except ImportError:
    websockets = None

ECHO = pathlib.Path(
    os.environ.get("ECHO_BIN", str(pathlib.Path(tunnel.BIN).parent / "tests" / "websocket_echo"))
)
SIZES = [1, 2, 3, 124, 125, 126, 127, 128, 4096, 65535, 65536, 65537, 1 << 20, 8 << 20]
MESSAGE_MAX = 32 << 20


def echo(*args):
    if not os.access(ECHO, os.X_OK):
        pytest.skip(f"{ECHO} is not there: build with -DTESTS=ON, or set ECHO_BIN")
    return tunnel.Process([ECHO, *args], "echo")


def content(size, step=7):
    block = bytes(i * step % 256 for i in range(4096 + 1))
    return (block * (size // len(block) + 1))[:size]


def text(size):
    return ("grüße, 名前 😀 " * (size // 4 + 1))[:size]


async def exchange(peer):
    """Everything that a WebSocket can carry, there and back."""
    for size in SIZES:
        await peer.send(content(size))
        assert await peer.recv() == content(size)
        await peer.send(text(size))
        assert await peer.recv() == text(size)
    await peer.send([content(4096, step) for step in range(300)])
    assert await peer.recv() == b"".join(content(4096, step) for step in range(300))
    await peer.send(["ein", "", "zel", "n"])
    assert await peer.recv() == "einzeln"
    for payload in (b"", b"p", content(125)):
        await asyncio.wait_for(await peer.ping(payload), tunnel.WAIT)
    await peer.pong(b"not asked for")
    for number in range(500):
        await peer.send(content(number + 1))
    for number in range(500):
        assert await peer.recv() == content(number + 1)


def limited(coroutine):
    async def run():
        await asyncio.wait_for(coroutine, 4 * tunnel.WAIT)

    asyncio.run(run())


@pytest.fixture
def server():
    process = echo("server")
    port = int(re.search(r"(\d+)$", process.wait_line("^listening ")).group(1))
    yield process, f"ws://127.0.0.1:{port}/any?thing=1"
    process.child.kill()
    process.child.wait()


needs_websockets = pytest.mark.skipif(not websockets, reason="python3-websockets is not installed")


@needs_websockets
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_server_and_a_client(server, compression):
    process, address = server

    async def go():
        async with websockets.connect(address, compression=compression, max_size=None) as peer:
            assert not peer.extensions  # offered, but never chosen
            await exchange(peer)
            await peer.close(4321, "enough")
        process.wait_line("^end 4321$")

    limited(go())


@needs_websockets
def test_server_closes_what_is_too_big(server):
    process, address = server

    async def go():
        async with websockets.connect(address, compression=None, max_size=None) as peer:
            await peer.send(content(MESSAGE_MAX))
            assert len(await peer.recv()) == MESSAGE_MAX
            with pytest.raises(websockets.ConnectionClosedError) as closed:
                await peer.send(content(MESSAGE_MAX + 1))
                await peer.recv()
            assert closed.value.rcvd.code == 1009
        process.wait_line("^fault .*too big")

    limited(go())


@needs_websockets
def test_client_and_a_server():
    codes = []

    async def serve(peer, *path):
        await exchange(peer)
        await peer.close(4000, "enough")
        codes.append(peer.close_code)

    async def go():
        async with websockets.serve(serve, "127.0.0.1", 0, max_size=None) as listening:
            port = listening.sockets[0].getsockname()[1]
            process = await asyncio.to_thread(echo, "client", port, "/chat")
            await asyncio.to_thread(process.wait_line, "^end 4000$", 4 * tunnel.WAIT)
            assert process.matching("^status 101$")
            assert await asyncio.to_thread(process.child.wait) == 0

    limited(go())
    assert codes == [4000]


@needs_websockets
def test_client_that_is_refused():
    async def refuse(path, headers):
        return http.HTTPStatus.UNAUTHORIZED, [("X-Why", "no")], b"no\n"

    async def go():
        async with websockets.serve(None, "127.0.0.1", 0, process_request=refuse) as listening:
            port = listening.sockets[0].getsockname()[1]
            process = await asyncio.to_thread(echo, "client", port, "/chat")
            await asyncio.to_thread(process.wait_line, "^status 401$")
            assert await asyncio.to_thread(process.child.wait) == 0

    limited(go())


def test_server_and_a_go_client(server):
    process, address = server
    peer = tunnel.Process([peers.websocket_peer(), "client", address.split("/")[2]], "go client")
    peer.wait_line("^done 4001$", 4 * tunnel.WAIT)
    process.wait_line("^end 4001$")


def test_client_and_a_go_server():
    peer = tunnel.Process([peers.websocket_peer(), "server"], "go server")
    port = int(re.search(r"(\d+)$", peer.wait_line("^listening ")).group(1))
    process = echo("client", port, "/chat")
    peer.wait_line("^done 4001$", 4 * tunnel.WAIT)
    process.wait_line("^end 4001$")
    assert peer.child.wait() == 0 and process.child.wait() == 0
