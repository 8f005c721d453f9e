"""Certificates for tests, made with openssl."""

import base64
import hashlib
import pathlib
import ssl
import subprocess


class Certificate:
    """A self-signed certificate for 127.0.0.1 and localhost that is no CA, made with openssl."""

    def __init__(self, folder, name="server", expired=False, address="127.0.0.1"):
        folder = pathlib.Path(folder)
        self.cert, self.key = folder / f"{name}-cert.pem", folder / f"{name}-key.pem"
        config = folder / f"{name}.cnf"
        config.write_text(
            "[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n"
            f"[dn]\nCN={name}\n[ext]\nbasicConstraints=critical,CA:FALSE\n"
            f"subjectAltName=IP:{address},DNS:localhost\n"
        )
        if expired:
            self._expired(folder, name, config)
        else:
            subprocess.run(
                [
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                    "-days",
                    "30",
                    "-config",
                    config,
                    "-keyout",
                    self.key,
                    "-out",
                    self.cert,
                ],
                check=True,
                capture_output=True,
            )
        self.key.chmod(0o600)

    def _expired(self, folder, name, config):
        """Of January 2020: only `openssl ca` takes both dates."""
        request = folder / f"{name}.csr"
        subprocess.run(
            [
                "openssl",
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-config",
                config,
                "-keyout",
                self.key,
                "-out",
                request,
            ],
            check=True,
            capture_output=True,
        )
        authority = folder / f"{name}-ca.cnf"
        (folder / f"{name}-index").write_text("")
        authority.write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/{name}-index\nnew_certs_dir={folder}\n"
            "rand_serial=yes\ndefault_md=sha256\npolicy=p\nx509_extensions=ext\n[p]\n"
            "commonName=supplied\n[ext]\nbasicConstraints=critical,CA:FALSE\n"
            "subjectAltName=IP:127.0.0.1,DNS:localhost\n"
        )
        subprocess.run(
            [
                "openssl",
                "ca",
                "-batch",
                "-selfsign",
                "-config",
                authority,
                "-in",
                request,
                "-keyfile",
                self.key,
                "-startdate",
                "20200101000000Z",
                "-enddate",
                "20200201000000Z",
                "-notext",
                "-out",
                self.cert,
            ],
            check=True,
            capture_output=True,
        )

    def pin(self):
        """SHA-256 of the certificate in base64url without padding, as the configuration wants it."""
        der = ssl.PEM_cert_to_DER_cert(self.cert.read_text())
        return "sha256:" + base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
