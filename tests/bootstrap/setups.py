"""Configurations and certificates that tests set a bootstrap up with."""

from __future__ import annotations

import datetime
import stat
from pathlib import Path

import attrs
from onmeet_bootstrap.config.model import BootstrapConfig, TurnConfig, ephemeral_config

from tests.bootstrap.ports import free_port


def turn(**settings: object) -> TurnConfig:
    settings = {
        "serve": True,
        "public": ("127.0.0.1",),
        "port": free_port(),
        "relay_port_min": 40_300,
        "relay_port_max": 40_400,
        "allow_private_peers": True,
        **settings,
    }
    return TurnConfig(**settings)  # type: ignore[arg-type]


def with_turn(**settings: object) -> BootstrapConfig:
    return attrs.evolve(ephemeral_config(), turn=turn(**settings))


def certificate(where: Path, name: str, *, days: float = 30) -> dict[str, str]:
    """Files with a self-signed certificate for `name` that ends in so many days."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=60))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (where / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (where / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (where / "key.pem").chmod(stat.S_IRUSR)
    return {"certificate": str(where / "cert.pem"), "key": str(where / "key.pem")}
