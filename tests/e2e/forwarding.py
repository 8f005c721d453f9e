"""Forwarders: a gateway that dials, a client whose local proxy asks it to, and who may be reached."""

import tunnel

# A file with rules of its own decides all: here nothing is denied but our own listeners.
OPEN = {"access": {"deny": []}}


def forwarder(bind_port, kind="socks5", name="out", **more):
    return {"name": name, "type": kind, "bind_port": bind_port, **more}


def forwarding(world, access=OPEN, allow=True, kind="socks5", routing=None, through=None, **options):
    """Gateway, client and the forwarder's port; `access` None: the gateway's file has no such section."""
    top = {**(access or {}), **options.pop("gateway_top", {})}
    gateway = world.gateway(top=top, tls_tunnel={"allow_forward": allow}).ready()
    port = tunnel.free_port()
    more = {"routing": routing} if routing else {}
    client = world.client(
        through(gateway) if through else gateway, forwarders=[forwarder(port, kind, **more)], **options
    )
    client.wait_listening(port)
    return gateway, client, port
