"""Reading a few small files out of a folder, a zip or a tar that nobody vouches for.

Nothing is ever extracted: members are read into memory by name, under limits, so that neither a path that climbs out
of the archive nor one that unpacks to gigabytes does harm.
"""

import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePosixPath

from .errors import ArtifactError

MIB = 1024 * 1024
MAX_MEMBERS = 64
MAX_TAR = 64 * MIB
"""Limit of an unpacked tar, which has no index: all of it is unpacked to find a member."""

UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,  # includes UnicodeDecodeError and impossible offsets
    OverflowError,
    NotImplementedError,  # an unknown compression
    RuntimeError,  # an encrypted member
)
"""What the standard library raises on damaged archives."""

_Read = Callable[[str, int], bytes]


def read_files(path: Path, wanted: Mapping[str, int]) -> dict[str, bytes]:
    """The wanted files (name to its limit in bytes) of a folder or archive; those that are absent are left out.

    In an archive they may lie in one folder, as ``tar czf`` of a folder leaves them. Raises ArtifactError that names
    the file when it cannot be read, is larger than its limit, or the archive holds unsafe paths or too many members.
    """
    if not path.exists():
        raise ArtifactError(f"{path}: no such file or folder")
    try:
        if path.is_dir():
            return _read_folder(path, wanted)
        with path.open("rb") as file:
            magic = file.read(2)
        return _read_zip(path, wanted) if magic == b"PK" else _read_tar(path, wanted, gzipped=magic == b"\x1f\x8b")
    except UNREADABLE as e:
        raise ArtifactError(f"{path}: damaged, or not a folder, zip or tar: {str(e) or type(e).__name__}") from e


def _read_folder(path: Path, wanted: Mapping[str, int]) -> dict[str, bytes]:
    found = {}
    for name, limit in wanted.items():
        member = path / name
        if member.is_file():  # follows links: that is how Kubernetes mounts a ConfigMap
            with member.open("rb") as file:
                found[name] = _within(file.read(limit + 1), limit, f"{path}: {name}")
    return found


def _read_zip(path: Path, wanted: Mapping[str, int]) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        members = {i.filename: i.filename for i in archive.infolist() if not i.is_dir()}

        def read(name: str, limit: int) -> bytes:
            with archive.open(name) as file:
                return file.read(limit)

        return _pick(path, members, read, wanted)


def _read_tar(path: Path, wanted: Mapping[str, int], *, gzipped: bool) -> dict[str, bytes]:
    with gzip.open(path) if gzipped else path.open("rb") as file:
        data = _within(file.read(MAX_TAR + 1), MAX_TAR, f"{path}: unpacked")
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        members = {m.name.removeprefix("./"): m for m in archive.getmembers() if m.isfile()}

        def read(name: str, limit: int) -> bytes:
            file = archive.extractfile(members[name])
            return file.read(limit) if file else b""

        return _pick(path, members, read, wanted)


def _pick(path: Path, members: Collection[str], read: _Read, wanted: Mapping[str, int]) -> dict[str, bytes]:
    if len(members) > MAX_MEMBERS:
        raise ArtifactError(f"{path}: {len(members)} members; at most {MAX_MEMBERS} are read")
    for name in members:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts:
            raise ArtifactError(f"{path}: member {name!r} points outside of the archive")
    folders = {name.split("/")[0] for name in members}
    prefix = f"{folders.pop()}/" if len(folders) == 1 and all("/" in name for name in members) else ""
    return {
        name: _within(read(prefix + name, limit + 1), limit, f"{path}: {name}")
        for name, limit in wanted.items()
        if prefix + name in members
    }


def _within(data: bytes, limit: int, what: str) -> bytes:
    if len(data) > limit:
        raise ArtifactError(f"{what} is larger than {limit // MIB} MiB")
    return data
