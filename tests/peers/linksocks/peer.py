"""The original LinkSocks, driven by its library: its own `server` command does not start in every version.

    peer.py server PORT [--forward TOKEN]... [--reverse TOKEN:PORT]... [--autonomy TOKEN]...
                        [--connector TOKEN:REVERSE]... [--login USER:PASSWORD] [--api-key KEY]
    peer.py client|provider URL TOKEN [--socks PORT] [--threads N] [--fast-open] [--connector TOKEN]

Prints "ready" (with --connector "connector TOKEN" before it) and runs until it is told to end.
"""

import argparse
import datetime
import logging
import signal
import sys
import threading

import linksocks

logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
# Else it tells of every message, at a cost that is not the tunnel's.
linksocks.set_log_level(logging.WARNING)


def halves(text):
    first, second = text.rsplit(":", 1)
    return first, second


def serve(arguments):
    server = linksocks.Server(
        ws_host="127.0.0.1",
        ws_port=arguments.port,
        api_key=arguments.api_key,
        socks_host="127.0.0.1",
        socks_wait_client=not arguments.no_wait,
    )
    user, password = halves(arguments.login) if arguments.login else (None, None)
    for token in arguments.forward:
        server.add_forward_token(token)
    for token, port in map(halves, arguments.reverse):
        server.add_reverse_token(token=token, port=int(port), username=user, password=password)
    for token in arguments.autonomy:
        server.add_reverse_token(token=token, allow_manage_connector=True)
    for token, reverse in map(halves, arguments.connector):
        server.add_connector_token(token, reverse)
    server.wait_ready(timeout=datetime.timedelta(seconds=20))
    return server


def connect(arguments):
    client = linksocks.Client(
        arguments.token,
        ws_url=arguments.url,
        reverse=arguments.role == "provider",
        socks_host="127.0.0.1",
        socks_port=arguments.socks,
        threads=arguments.threads,
        fast_open=arguments.fast_open,
        reconnect=True,
        reconnect_delay=datetime.timedelta(seconds=1),
        no_env_proxy=True,
    )
    client.wait_ready(timeout=datetime.timedelta(seconds=20))
    if arguments.connector:
        print("connector", client.add_connector(arguments.connector), flush=True)
    return client


def main():
    parser = argparse.ArgumentParser()
    roles = parser.add_subparsers(dest="role", required=True)
    server = roles.add_parser("server")
    server.add_argument("port", type=int)
    for name in "--forward", "--reverse", "--autonomy", "--connector":
        server.add_argument(name, action="append", default=[])
    server.add_argument("--login")
    server.add_argument("--api-key")
    server.add_argument("--no-wait", action="store_true")
    for role in "client", "provider":
        client = roles.add_parser(role)
        client.add_argument("url")
        client.add_argument("token")
        client.add_argument("--socks", type=int)
        client.add_argument("--threads", type=int, default=1)
        client.add_argument("--fast-open", action="store_true")
        client.add_argument("--connector")
    arguments = parser.parse_args()
    running = serve(arguments) if arguments.role == "server" else connect(arguments)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    print("ready", linksocks.__version__, flush=True)
    ended.wait()
    running.close()


main()
