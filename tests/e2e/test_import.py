"""A moved installation: files of TLS Tunnel become ours and run, and what is wrong with one has its line."""

import subprocess

import tunnel
from traffic import transfer

SERVER = """# as the original's template has it
[server]
bind_addr = "127.0.0.1"
bind_port = {port}
transport = "tls"
cert_path = "{certificate.cert}"
key_path = "{certificate.key}"
auth_key = "0123456789abcdef"
allow_forward = true

[server.rate_limit]
requests_per_second = 100
burst_size = 200
"""
CLIENT = """[client]
server_addr = "127.0.0.1"
server_port = {port}
ca_cert_path = "{certificate.cert}"
auth_key = "0123456789abcdef"
"""
PROXY = """
[[proxies]]
name = "web"
proxy_type = "tcp"
publish_addr = "127.0.0.1"
publish_port = {published}
local_port = {local}
"""
VISITOR = """
[[visitors]]
name = "web"
bind_port = {bind}
publish_port = {published}
"""


def convert(file, **variables):
    return subprocess.run(
        [tunnel.BIN, "import", file], capture_output=True, text=True, env={"HOME": "/nowhere", **variables}
    )


class Imported(tunnel.Program):
    """tunnel, run from what `tunnel import` has printed."""

    def __init__(self, folder, engine, name, toml):
        self.toml = folder / f"{name}.toml"
        self.toml.write_text(toml)
        done = convert(self.toml, TLS_TUNNEL_RECONNECT_DELAY_SECS="1")
        assert done.returncode == 0, done.stderr
        self.yaml = done.stdout
        super().__init__(folder, name, {}, engine)

    def write(self):
        own = "".join(f"{key}: {value}\n" for key, value in self.config.items() if key != "log")
        self.file.write_text(self.yaml + own)
        self.file.chmod(0o600)


def test_a_moved_installation(world, certificate):
    def run(name, toml):
        return world.add(Imported(world.folder, world.engine, name, toml))

    port, published, bind = tunnel.free_port(), tunnel.free_port(), tunnel.free_port()
    service = world.service()
    names = {"port": port, "certificate": certificate, "published": published, "bind": bind}
    names["local"] = service.port
    run("server", SERVER.format(**names)).wait_listening(port)
    run("client", (CLIENT + PROXY).format(**names)).wait_listening(published)
    transfer(published, 300_000, 300_000)
    run("visitor", (CLIENT + VISITOR).format(**names)).wait_listening(bind)
    transfer(bind, 300_000, 300_000)
    assert not service.faults()


def test_the_result_passes_check(world, certificate):
    names = {"port": 3080, "certificate": certificate, "published": 8080, "bind": 3306, "local": 80}
    for name, toml in (("server", SERVER), ("client", CLIENT + PROXY), ("visitor", CLIENT + VISITOR)):
        file, yaml = world.folder / f"{name}.toml", world.folder / f"{name}.yaml"
        file.write_text(toml.format(**names))
        done = convert(file)
        assert done.returncode == 0 and done.stderr == ""
        yaml.write_text(done.stdout)
        check = subprocess.run([tunnel.BIN, "check", yaml], capture_output=True, text=True)
        assert check.returncode == 0, check.stderr
        assert check.stderr == ""


def test_a_broken_file_gives_its_lines_and_nothing_else(world):
    file = world.folder / "client.toml"
    toml = CLIENT.format(port=0, certificate=world.certificate)
    file.write_text(toml + "nothing = 1\n[[proxies]]\nname = 5\n")
    done = convert(file)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines() == [
        f"{file}:3:1: server_port must be a port from 1 to 65535",
        f"{file}:6:1: unknown key nothing in [client]",
        f"{file}:7:3: publish_port is missing in [[proxies]]",
        f"{file}:7:3: local_port is missing in [[proxies]]",
        f"{file}:8:1: name must be a text in quotes",
    ]
    missing = convert(world.folder / "missing.toml")
    assert missing.returncode == 1 and missing.stdout == "" and missing.stderr.startswith("tunnel: ")
