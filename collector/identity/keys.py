"""Issuers' keys: fetched, kept for when an issuer cannot be reached, and renewed when a token names an unknown one."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import jwt
import msgspec

LOG: Final = logging.getLogger("tocsin.collector")
FRESH: Final = 3600.0
"""Seconds after which keys are fetched anew."""
SOONEST: Final = 30.0
"""Seconds between two attempts, whatever tokens name; an attacker chooses key ids."""
TIMEOUT: Final = 5.0
LARGEST: Final = 512 * 1024
MOST: Final = 100
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures alone: a shared secret is no proof, since whoever checks with it could have made it."""


class Issuer(NamedTuple):
    """Whose tokens are checked: its name, where its key set is (URL or file), and for whom tokens must be made."""

    name: str
    jwks: str
    audience: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ALGORITHMS
    servers: tuple[str, ...] = ()


Fetch = Callable[[str], bytes]


class KeySet:
    """The keys of one issuer. `cache` is a file that outlives the process; a fetch never happens while somebody waits.

    `wait` is how long a caller may be held up for the very first fetch, in seconds.
    """

    def __init__(
        self,
        issuer: Issuer,
        *,
        cache: Path | None = None,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: float = 0.0,
    ) -> None:
        self.issuer: Final = issuer
        self._cache = cache
        self._fetch = fetch or _get
        self._clock = clock
        self._wait = wait
        self._keys: Mapping[str | None, Sequence[jwt.PyJWK]] = {}
        self._served = b""
        self.version = 0
        """Rises with each set that is not the one before: what was proved by those is proved no more."""
        self._fetched = self._tried = -1e18
        self._busy = threading.Event()
        self._lock = threading.Lock()
        if cache is not None and cache.is_file():
            self._take(cache.read_bytes())

    def find(self, kid: str | None) -> Sequence[jwt.PyJWK]:
        """The keys that a token's header may mean; the newest known ones where the issuer cannot be reached."""
        now = self._clock()
        known = self._known(kid)
        if not known and now - self._tried > SOONEST:
            self._renew(now)
            known = self._known(kid)
        return known

    def refresh(self) -> int:
        """Fetch anew what is stale, beside everything else; the version of the keys in use."""
        now = self._clock()
        if now - self._fetched > FRESH and now - self._tried > SOONEST:
            self._renew(now)
        return self.version

    def _known(self, kid: str | None) -> Sequence[jwt.PyJWK]:
        if kid is None:
            return [key for keys in self._keys.values() for key in keys][:4]
        return self._keys.get(kid, ())

    def _renew(self, now: float) -> None:
        with self._lock:
            if self._busy.is_set() or now - self._tried <= SOONEST:
                return
            self._tried = now
            self._busy.set()
        thread = threading.Thread(target=self._load, args=(now,), name="tocsin-jwks", daemon=True)
        thread.start()
        if not self._keys and self._wait:
            thread.join(self._wait)

    def _load(self, now: float) -> None:
        try:
            data = self._fetch(self.issuer.jwks)
            if self._take(data):
                self._fetched = now
                if self._cache is not None:
                    self._cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    fresh = self._cache.with_suffix(".new")
                    fresh.write_bytes(data)
                    fresh.replace(self._cache)
            else:
                LOG.warning("the key set of %s has no key that can be used", self.issuer.name)
        except (httpx.HTTPError, OSError, ValueError) as error:
            LOG.warning("the key set of %s cannot be fetched", self.issuer.name, extra={"error": str(error)})
        finally:
            self._busy.clear()

    def _take(self, data: bytes) -> bool:
        """Put new keys in place of the old ones, unless there is none among them."""
        try:
            tree = msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return False
        found: dict[str | None, list[jwt.PyJWK]] = {}
        listed = tree.get("keys")
        for given in listed[:MOST] if isinstance(listed, list) else ():
            if not isinstance(given, dict) or given.get("use", "sig") != "sig" or given.get("kty") == "oct":
                continue
            try:
                key = jwt.PyJWK(given)
            except (jwt.PyJWTError, ValueError, TypeError):
                continue  # an issuer may have keys of kinds that are newer than we are
            found.setdefault(given.get("kid"), []).append(key)
        if found:
            self._keys = found
            self.version += data != self._served
            self._served = data
        return bool(found)


def _get(place: str) -> bytes:
    if not place.startswith(("http://", "https://")):
        return Path(place).read_bytes()[:LARGEST]
    with httpx.Client(timeout=TIMEOUT, follow_redirects=False) as client, client.stream("GET", place) as response:
        response.raise_for_status()
        data = b""
        for part in response.iter_bytes():
            data += part
            if len(data) > LARGEST:
                raise ValueError("it is too large for a key set")
        return data
