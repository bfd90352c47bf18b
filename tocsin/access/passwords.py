"""Passwords of operators: Argon2id hashes, and a check that takes as long for a name that nobody has."""

import hmac
import secrets
import threading
from collections import OrderedDict
from hashlib import sha256
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from stream.errors import ConfigError

SHORTEST: Final = 12
LONGEST: Final = 256
REMEMBERED: Final = 1_000
FRESH: Final = 300.0
"""Seconds for which a password that was right is known without working it out again."""


def hash_password(password: str) -> str:
    """What is kept of a password; raises ConfigError where it is too short to be one, or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise ConfigError(f"a password has {SHORTEST} to {LONGEST} characters", hint="four random words do well")
    return PasswordHasher().hash(password)


class Passwords:
    """Checks passwords; remembers those that were right, under a key that only this process has."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_urlsafe(24))
        self._key = secrets.token_bytes(32)
        self._good: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def right(self, kept: str, password: str, now: float) -> bool:
        """Whether a password is the one of a hash; an empty hash has none and takes as long. `now` is in seconds."""
        if len(password) > LONGEST:
            return False
        mark = hmac.digest(self._key, f"{kept}\0{password}".encode("utf-8", "surrogatepass"), sha256)
        with self._lock:
            if kept and self._good.get(mark, 0.0) > now:
                return True
        try:
            self._hasher.verify(kept or self._nobody, password.encode("utf-8", "surrogatepass"))
        except (Argon2Error, InvalidHashError):
            return False
        if not kept:
            return False
        with self._lock:
            self._good[mark] = now + FRESH
            while len(self._good) > REMEMBERED:
                self._good.popitem(last=False)
        return True
