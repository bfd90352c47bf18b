"""Signed notes and log checkpoints in the forms of C2SP (signed-note, tlog-checkpoint), signed with Ed25519."""

import base64
import binascii
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from stream.errors import RejectedError

DASH: Final = "\u2014 "
"""What a signature line begins with."""
LONGEST: Final = 1_000_000
SIGNATURES: Final = 16
_ED25519: Final = b"\x01"
_SECRET: Final = "PRIVATE+KEY+"  # noqa: S105  # what the text of a private key begins with


class Verifier(NamedTuple):
    """A public key with its name; its text is `name+id+key`, as other tools for signed notes write it."""

    name: str
    id: bytes
    key: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """A public key from its text. Raises RejectedError saying what is wrong with it."""
        name, _, rest = text.strip().partition("+")
        id_, _, encoded = rest.partition("+")
        key = _decoded(encoded)
        if not _named(name) or key is None or len(key) != 33 or key[:1] != _ED25519:
            raise RejectedError("is no public key", hint="it is one line: name+8 digits+base64")
        made = cls(name, key_id(name, key), key[1:])
        if made.id.hex() != id_:
            raise RejectedError("the id of the public key is not that of its name and key", hint="copy it whole")
        return made

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.key).decode()}"

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether a signature of a text is this key's."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """A private key with its name. Nothing shows the key but `secret`."""

    def __init__(self, name: str, seed: bytes) -> None:
        if not _named(name):
            raise RejectedError(
                f"{name!r} cannot name a key", hint="use no blanks and no plus, such as example.org/log"
            )
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        self.verifier = Verifier(name, key_id(name, _ED25519 + public), public)

    @classmethod
    def parse(cls, text: str) -> Self:
        """A private key from its text. Raises RejectedError, which never shows it."""
        hint = "make one with `tocsin keys signing rotate`"
        if not text.startswith(_SECRET):
            raise RejectedError("is no signing key", hint=hint)
        name, _, rest = text.removeprefix(_SECRET).strip().partition("+")
        id_, _, encoded = rest.partition("+")
        key = _decoded(encoded)
        if key is None or len(key) != 33 or key[:1] != _ED25519 or not _named(name):
            raise RejectedError("is no signing key", hint=hint)
        made = cls(name, key[1:])
        if made.verifier.id.hex() != id_:
            raise RejectedError("the id of the signing key is not that of its name and key", hint=hint)
        return made

    @property
    def secret(self) -> str:
        """The text of the private key, for the file that keeps it alone."""
        encoded = base64.b64encode(_ED25519 + self._seed).decode()
        return f"{_SECRET}{self.verifier.name}+{self.verifier.id.hex()}+{encoded}"

    def sign(self, text: str) -> str:
        """The signature line of a text that ends in a newline."""
        signature = base64.b64encode(self.verifier.id + self._key.sign(text.encode())).decode()
        return f"{DASH}{self.verifier.name} {signature}\n"


class Note(NamedTuple):
    """A text and those of its signatures that are of known keys and good."""

    text: str
    by: tuple[Verifier, ...]


def signed(text: str, signers: Sequence[Signer]) -> str:
    """A text with a signature of each signer behind it."""
    return f"{text}\n" + "".join(signer.sign(text) for signer in signers)


def opened(note: str, known: Sequence[Verifier]) -> Note:
    """A note whose signatures by known keys are all good, at least one of them.

    Signatures of keys that nobody knows are passed over, as the form wants it. Raises RejectedError saying why not.
    """
    if len(note) > LONGEST:
        raise RejectedError("is longer than any note may be")
    body, blank, rest = note.rpartition("\n\n")
    if not blank or not rest.endswith("\n") or any(ord(sign) < 32 and sign != "\n" for sign in note):
        raise RejectedError("is no signed note", hint="it is a text, an empty line, and lines that begin with a dash")
    text = f"{body}\n"
    by: list[Verifier] = []
    lines = rest.removesuffix("\n").split("\n")
    if len(lines) > SIGNATURES:
        raise RejectedError("has more signatures than any note may have")
    for line in lines:
        name, _, encoded = line.removeprefix(DASH).partition(" ")
        signature = _decoded(encoded)
        if not line.startswith(DASH) or not _named(name) or signature is None or len(signature) < 5:
            raise RejectedError("has a signature line that is none")
        for verifier in known:
            if (verifier.name, verifier.id) == (name, signature[:4]) and verifier not in by:
                if not verifier.verifies(text, signature[4:]):
                    raise RejectedError(f"the signature of {name}+{verifier.id.hex()} is not good")
                by.append(verifier)
    if not by:
        raise RejectedError("is signed by none of the known keys", hint="give the log's public key with --public-key")
    return Note(text, tuple(by))


class Checkpoint(NamedTuple):
    """What a log commits to: whose it is, how many leaves it has, and the root over them."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """A checkpoint from a note's text; lines behind the third are others'. Raises RejectedError."""
        lines = text.removesuffix("\n").split("\n")
        root = _decoded(lines[2]) if len(lines) > 2 else None
        decimal = len(lines) > 1 and lines[1].isascii() and lines[1].isdigit() and str(int(lines[1])) == lines[1]
        if not decimal or not lines[0] or root is None or len(root) != 32:
            raise RejectedError("is no checkpoint of a log")
        return cls(lines[0], int(lines[1]), root)

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def key_id(name: str, key: bytes) -> bytes:
    """The id of a key, by its name, algorithm and bytes."""
    return sha256(name.encode() + b"\n" + key).digest()[:4]


def _named(name: str) -> bool:
    return bool(name) and "+" not in name and not any(sign.isspace() for sign in name)


def _decoded(text: str) -> bytes | None:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if base64.b64encode(content).decode() == text else None
