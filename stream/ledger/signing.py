"""The ledger's signing keys: a file for its owner alone, and rotation in which the old key vouches for the new one."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from stream.errors import RejectedError, StorageError
from stream.ledger.note import Signer, Verifier, opened, signed

FILE: Final = "ledger-key"
PUBLIC_FILE: Final = "ledger.pub"
_ENDORSES: Final = "tocsin/ledger-key"


def new_key(name: str | None = None) -> Signer:
    """A new random key; one without a name begins a ledger of its own."""
    return Signer(name or f"tocsin/{secrets.token_hex(8)}", secrets.token_bytes(32))


def parse_keys(text: str, where: str) -> list[Signer]:
    """The keys of a file or variable, the present one first. Raises StorageError, which never shows one."""
    try:
        found = [Signer.parse(line) for line in text.splitlines() if line.strip()]
    except RejectedError as error:
        raise StorageError(f"the signing key {error.what}", where=where, hint=error.hint) from None
    if not found:
        raise StorageError("there is no signing key", where=where, hint="restore it from a backup")
    if len({signer.verifier.name for signer in found}) != 1:
        raise StorageError("the signing keys are of different ledgers", where=where, hint="keep those of one")
    return found


def read_keys(path: Path) -> list[Signer]:
    """The keys in a file. Raises StorageError where it cannot be read, or where others may read it."""
    try:
        if path.stat().st_mode & 0o077:
            raise StorageError("others may read the signing key", where=str(path), hint=f"chmod 600 {path}")
        return parse_keys(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        hint = "restore it from a backup; without it the ledger goes on under a new name only"
        raise StorageError(f"the signing key cannot be read ({error})", where=str(path), hint=hint) from error


def write_keys(path: Path, signers: Sequence[Signer]) -> None:
    """Keep keys in a file for its owner alone, all of them or none; the public ones stand beside it."""
    _write(path, "".join(f"{signer.secret}\n" for signer in signers), 0o600)
    _write(path.with_name(PUBLIC_FILE), "".join(f"{signer.verifier}\n" for signer in signers), 0o644)


def kept_keys(path: Path) -> list[Signer]:
    """The keys in a file, made at the first start. Raises StorageError as `read_keys` does."""
    if not path.exists():
        write_keys(path, [new_key()])
    return read_keys(path)


def rotate(path: Path) -> tuple[Signer, Signer]:
    """Put a new key before the present one, which goes on signing beside it; those before it end. (old, new)"""
    old = read_keys(path)[0]
    new = new_key(old.verifier.name)
    write_keys(path, [new, old])
    return old, new


def retire(path: Path) -> list[Signer]:
    """End every key but the present one; those that ended."""
    present, *past = read_keys(path)
    write_keys(path, [present])
    return past


def endorsement(new: Verifier, old: Signer) -> str:
    """The note in which a key vouches for the one that follows it."""
    return signed(f"{_ENDORSES}\n{new}\n", [old])


def endorsed(note: str, known: Sequence[Verifier]) -> Verifier:
    """The key that a known key vouches for. Raises RejectedError where none does."""
    title, _, text = opened(note, known).text.partition("\n")
    if title != _ENDORSES:
        raise RejectedError("vouches for no key")
    found = Verifier.parse(text)
    if found.name not in {verifier.name for verifier in known}:
        raise RejectedError("vouches for the key of another ledger")
    return found


def vouched(notes: Sequence[str], trusted: Sequence[Verifier]) -> list[Verifier]:
    """The trusted keys, and those that they vouch for, and so on."""
    known = list(trusted)
    left = list(notes)
    while left:
        still = []
        for note in left:
            try:
                key = endorsed(note, known)
            except RejectedError:
                still.append(note)
                continue
            if key not in known:
                known.append(key)
        if len(still) == len(left):
            break
        left = still
    return known


def public_keys(path: Path) -> list[Verifier]:
    """The public keys in a file, one a line. Raises StorageError naming the line that is none."""
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        hint = "`tocsin keys signing export` prints it"
        raise StorageError(f"the public key cannot be read ({error})", where=str(path), hint=hint) from error
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            try:
                found.append(Verifier.parse(line))
            except RejectedError as error:
                raise StorageError(error.what, where=f"{path}:{number}", hint=error.hint) from error
    if not found:
        raise StorageError("has no public key", where=str(path), hint="`tocsin keys signing export` prints it")
    return found


def _write(path: Path, text: str, mode: int) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise StorageError(f"cannot be written ({error.strerror})", where=str(path)) from error
