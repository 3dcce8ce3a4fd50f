"""A real TURN server for tests: coturn on loopback."""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import hmac
import ipaddress
import os
import pathlib
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from onmeet_node.media.endpoint import IceServer
from tests.bootstrap.ports import free_port
from tests.netlab.lab import Host

SECRET = "of the test"


@dataclass
class Turn:
    """A running server. `secret` and `ttl` (seconds) are those of the credentials it is given."""

    port: int
    tls_port: int
    process: subprocess.Popen[bytes] = field(repr=False)

    def kill(self) -> None:
        self.process.kill()

    def server(
        self,
        transport: str = "udp",
        *,
        host: str = "127.0.0.1",
        secret: str = SECRET,
        ttl: int = 600,
        user: str = "random",
    ) -> IceServer:
        username = f"{int(time.time()) + ttl}:{user}"
        mac = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
        credential = base64.b64encode(mac).decode()
        if transport == "tls":
            return IceServer(f"turns:{host}:{self.tls_port}?transport=tcp", username, credential)
        return IceServer(f"turn:{host}:{self.port}?transport={transport}", username, credential)


@dataclass(frozen=True)
class Certificate:
    """PEM files of a certificate that signed itself, which is so the authority to trust as well."""

    certificate: pathlib.Path
    key: pathlib.Path


def make_certificate(folder: pathlib.Path, *, name: str, days: int = 30) -> Certificate:
    """For a host name or address; `days` from now until its end, which may have been."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    try:
        known_as: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        known_as = x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=60))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([known_as]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(folder / "turn.pem", folder / "turn.key")
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


def _answers_stun(host: str, port: int) -> bool:
    """Whether a STUN binding request over UDP is answered (RFC 8489, 6.2.1). Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.5)
        probe.connect((host, port))
        probe.send(bytes.fromhex("000100002112a442") + os.urandom(12))
        return probe.recv(1_024)[:2] == b"\x01\x01"


@asynccontextmanager
async def run_coturn(
    folder: pathlib.Path,
    *options: str,
    listen: str = "127.0.0.1",
    certificate: Certificate | None = None,
    host: Host | None = None,
) -> AsyncIterator[Turn]:
    """coturn at `listen`, with these `options` on its command line; up when its port answers.

    `host`: where it runs, if that is a machine of a lab.
    """
    port, tls_port = free_port(), free_port()
    argv = f"""--listening-ip={listen} --listening-port={port} --tls-listening-port={tls_port}
        --allow-loopback-peers --no-cli --userdb=:memory: --no-dtls --realm=onmeet
        --use-auth-secret --no-stdout-log --log-file=/dev/null --pidfile={folder}/pid
        --min-port=40000 --max-port=40200 --no-rfc5780""".split()
    if certificate is None:
        argv.append("--no-tls")
    else:
        argv += [f"--cert={certificate.certificate}", f"--pkey={certificate.key}"]
    prefix = host.prefix if host else []
    server = subprocess.Popen(  # noqa: ASYNC220 - returns at once
        [*prefix, "turnserver", *argv, *options, f"--static-auth-secret={SECRET}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with trio.fail_after(10):
            while True:
                assert server.poll() is None, "coturn ended at once"
                with (
                    contextlib.suppress(OSError),
                    host.inside() if host else contextlib.nullcontext(),
                    socket.create_connection((listen, port), 1),
                ):
                    if _answers_stun(listen, port):  # it may listen to TCP first
                        break
                await trio.sleep(0.05)
        yield Turn(port, tls_port, server)
    finally:
        server.kill()
        server.wait()
