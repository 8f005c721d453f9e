"""nginx in front of a gateway: it does TLS and passes one path on, as people set it up."""

import shutil
import subprocess

import pytest

from tunnel import Process, free_port

CONFIG = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
        location {path} {{
            proxy_pass http://127.0.0.1:{backend}/;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_read_timeout 3600s; proxy_send_timeout 3600s; proxy_buffering off;
        }}
        location / {{ return 418; }}
    }}
}}
"""


class Nginx(Process):
    def __init__(self, folder, certificate, backend, path="/tunnel/"):
        binary = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        if not binary:
            pytest.skip("nginx is not installed")
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        file = folder / "nginx.conf"
        file.write_text(
            CONFIG.format(
                folder=folder,
                port=self.port,
                cert=certificate.cert,
                key=certificate.key,
                path=path,
                backend=backend,
            )
        )
        command = [binary, "-p", folder, "-c", file]
        tested = subprocess.run(
            [*map(str, command), "-e", "stderr", "-t"], capture_output=True, text=True, timeout=30
        )
        assert tested.returncode == 0, tested.stderr
        super().__init__([*command, "-e", "stderr"], "nginx")

    def ready(self):
        return self.wait_listening(self.port)
