"""The archive of evidence: a ZIP whose manifest has the digest of each file, checked without anything else."""

import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from alerting.harmless import harmless
from stream.errors import DamagedError, RejectedError

KIND: Final = "tocsin.evidence.v1"
MANIFEST: Final = "manifest.json"
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of an archive's files together, unpacked."""
FAULTS: Final = 20
"""Faults that are named, of however many."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class File(msgspec.Struct, frozen=True):
    """One file of an archive: SHA-256 as hex, and bytes."""

    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds, of which incident and opening, and when it was sealed (RFC 3339).

    `log` names the frames that the events came from, `cut` whether bounds left some out.
    """

    kind: str
    incident: str
    opening: int
    sealed: str
    files: dict[str, File]
    log: dict[str, Any] = {}
    cut: bool = False


def pack(manifest: Manifest, files: Mapping[str, bytes]) -> tuple[bytes, str]:
    """The archive, the same bytes for the same content, and the SHA-256 of its manifest, which stands for all of it."""
    listed = {name: File(sha256(content).hexdigest(), len(content)) for name, content in sorted(files.items())}
    whole = msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(manifest, files=listed)))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in ((MANIFEST, whole), *sorted(files.items())):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return target.getvalue(), sha256(whole).hexdigest()


def is_evidence(path: Path) -> bool:
    """Whether a file looks like an archive of evidence."""
    return path.is_file() and zipfile.is_zipfile(path)


def check(path: Path) -> dict[str, Any]:
    """Verify an archive of evidence; what it is, and the digest of its manifest to compare with the timeline's.

    Raises RejectedError where it is no such archive, DamagedError naming every file that is not what was sealed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _checked(archive, str(path))
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise RejectedError(
            f"it cannot be read as an archive ({error})", where=str(path), hint="was it copied whole?"
        ) from error


def _checked(archive: zipfile.ZipFile, where: str) -> dict[str, Any]:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if sum(entry.file_size for entry in entries) > LARGEST:
        raise RejectedError("it is larger than any evidence", where=where)
    if MANIFEST not in names:
        raise RejectedError("there is no manifest in it", where=where, hint="make it with `tocsin incident evidence`")
    try:
        whole = archive.read(MANIFEST)
        manifest = msgspec.json.decode(whole, type=Manifest)
    except (msgspec.DecodeError, zipfile.BadZipFile, zlib.error) as error:
        raise DamagedError(f"its manifest cannot be read ({error})", where=where) from error
    if manifest.kind != KIND:
        raise RejectedError(f"it is '{harmless(manifest.kind, 40)}', not evidence of an incident", where=where)
    # Whoever made the archive named its files.
    faults = [f"{harmless(name, 80)} was added" for name in names if name != MANIFEST and name not in manifest.files]
    counts = Counter(names)
    faults += [f"{harmless(name, 80)} is there {count} times" for name, count in counts.items() if count > 1]
    for name, file in manifest.files.items():
        if name not in counts:
            faults.append(f"{harmless(name, 80)} is missing")
        elif (why := _differs(archive, name, file)) is not None:
            faults.append(f"{harmless(name, 80)} {why}")
    if faults:
        more = f"; and {len(faults) - FAULTS} more" if len(faults) > FAULTS else ""
        raise DamagedError(
            "; ".join(sorted(faults)[:FAULTS]) + more,
            where=where,
            hint="take another copy of it with `tocsin incident evidence`",
        )
    return {
        "incident": manifest.incident,
        "opening": manifest.opening,
        "sealed": manifest.sealed,
        "files": {name: file.size for name, file in manifest.files.items()},
        "cut": manifest.cut,
        "digest": sha256(whole).hexdigest(),
    }


def _differs(archive: zipfile.ZipFile, name: str, file: File) -> str | None:
    try:
        content = archive.read(name)
    except (zipfile.BadZipFile, zlib.error) as error:
        return f"cannot be read ({error})"
    return None if (len(content), sha256(content).hexdigest()) == (file.size, file.sha256) else "was changed"
