"""The server's certificate and the tokens that requests need.

TLS, although only loopback is served: kubectl sends no credentials over plain http, and without them any local user
could drive the cluster. With a data folder both stay the same over restarts, so running clients carry on.
"""

import base64
import hmac
import json
import os
import secrets
import ssl
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import trustme

from sparkiot_sim.devcluster.errors import ClusterDataError

_FILE = "identity.json"


@dataclass(frozen=True)
class ServiceAccount:
    """Whom a token stands for; the uid tells an account from a later one of the same name."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Identity:
    """certificate: that of the authority, PEM; server: private key and certificate chain, PEM; token: bearer token.

    Tokens of service accounts are derived from `token`, so that nothing has to be kept for them.
    """

    certificate: str
    server: str
    token: str

    @staticmethod
    def load_or_create(folder: Path | None) -> "Identity":
        """The identity in `folder`, made on first use. Raises ClusterDataError when it cannot be read."""
        path = folder / _FILE if folder else None
        if path and path.exists():
            try:
                return Identity(**json.loads(path.read_text()))
            except (ValueError, TypeError) as error:
                raise ClusterDataError(f"{path}: {error}; remove it to get a new certificate and token") from error
        authority = trustme.CA(organization_name="sparkiot-dev")
        identity = Identity(
            certificate=authority.cert_pem.bytes().decode(),
            server=authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.bytes().decode(),
            token=secrets.token_urlsafe(32),
        )
        if path:
            write_private(path, json.dumps(asdict(identity)))
        return identity

    def is_admin(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(errors="replace"), self.token.encode())

    def service_account_token(self, account: ServiceAccount) -> str:
        claim = "/".join((account.namespace, account.name, account.uid)).encode()
        return f"{base64.urlsafe_b64encode(claim).decode()}.{self._seal(claim)}"

    def service_account_of(self, token: str) -> ServiceAccount | None:
        """Whose token this is, None when this server did not make it. The account may be gone since."""
        encoded, _, seal = token.partition(".")
        try:
            claim = base64.b64decode(encoded, altchars=b"-_", validate=True)
        except ValueError:
            return None
        if not hmac.compare_digest(seal.encode(errors="replace"), self._seal(claim).encode()):
            return None
        return ServiceAccount(*claim.decode().split("/"))

    def _seal(self, claim: bytes) -> str:
        return hmac.new(self.token.encode(), claim, "sha256").hexdigest()

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as chain:  # the ssl module reads only from files
            chain.write(self.server)
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
