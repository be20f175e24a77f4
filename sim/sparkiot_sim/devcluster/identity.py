"""The server's certificate and the token that requests need.

TLS, although only loopback is served: kubectl sends no credentials over plain http, and without them any local user
could drive the cluster. With a data folder both stay the same over restarts, so running clients carry on.
"""

import contextlib
import ipaddress
import os
import secrets
import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sparkiot_sim.devcluster.errors import ClusterDataError

_VALIDITY = timedelta(days=3650)
_FILE = "identity.pem"


@dataclass(frozen=True)
class Identity:
    """certificate: PEM, its own authority; private_key: PEM; token: bearer token."""

    certificate: str
    private_key: str
    token: str

    @staticmethod
    def load_or_create(folder: Path | None) -> "Identity":
        """The identity in `folder`, made on first use. Raises ClusterDataError when it cannot be read."""
        if folder is None:
            return _create()
        path = folder / _FILE
        with contextlib.suppress(FileNotFoundError):
            return _parse(path)
        identity = _create()
        write_private(path, f"{identity.token}\n{identity.private_key}{identity.certificate}")
        return identity

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as chain:  # the ssl module reads only from files
            chain.write(self.private_key + self.certificate)
            chain.flush()
            context.load_cert_chain(chain.name)
        return context


def write_private(path: Path, text: str) -> None:
    """Replaces a file in one step; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    fresh.replace(path)


def _parse(path: Path) -> Identity:
    token, _, rest = path.read_text().partition("\n")
    key, found, certificate = rest.partition("-----BEGIN CERTIFICATE")
    if not found or "PRIVATE KEY" not in key:
        raise ClusterDataError(f"{path}: not a token, a private key and a certificate; remove it to get new ones")
    return Identity(certificate=found + certificate, private_key=key, token=token)


def _create() -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sparkiot-dev")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    start = datetime.now(UTC) - timedelta(minutes=5)
    usage = dict.fromkeys(
        ("content_commitment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
    )
    certificate = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _VALIDITY)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_encipherment=True, key_cert_sign=True, crl_sign=False, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    return Identity(certificate=public.decode(), private_key=private.decode(), token=secrets.token_urlsafe(32))
