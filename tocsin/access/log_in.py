"""Who asks: the token file's owner, an operator's API token, or a name and password; guessing is slowed down."""

import base64
import binascii
import hmac
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from stream.throttle import Throttle
from tocsin.access.operators import FILE, Operators, Role, User
from tocsin.access.passwords import Passwords
from tocsin.own_events import OwnEvents

WRONG_FROM_ADDRESS: Final = 10
"""Wrong passwords in a minute from one address, after which none is looked at."""
WRONG_FOR_NAME: Final = 50
"""The same for one name, from wherever: far above what a person does, since it locks the name's owner out as well."""
AT_ONCE: Final = 2
"""Passwords that are checked at once: each takes 64 MiB for a moment."""


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and how far they may see: `tenants` is None for everything.

    `owner` has the token file of the data directory, and so acts under whatever name they give.
    """

    name: str
    role: Role
    tenants: frozenset[str] | None = None
    owner: bool = False

    def sees(self, tenant: str | None) -> bool:
        """Whether something of a tenant, or of none, may be shown."""
        return self.tenants is None or tenant in self.tenants


class NotLetInError(Exception):
    """Nobody was recognised: the status, what is wrong, what to do, and after how many seconds to come again."""

    def __init__(self, status: int, what: str, hint: str, after: int | None = None) -> None:
        super().__init__(what)
        self.status = status
        self.what = what
        self.hint = hint
        self.after = after


class Gate:
    """Recognises who asks.

    A good token is let in whatever its address did before: it cannot be guessed, so nothing is gained by a wait.
    """

    def __init__(self, data: Path, token: str, own: OwnEvents, clock: Callable[[], float]) -> None:
        self._operators = Operators(data / FILE)
        self._token = token.encode()
        self._own = own
        self._clock = clock
        self._passwords = Passwords()
        self._addresses = Throttle(WRONG_FROM_ADDRESS, 60.0)
        self._names = Throttle(WRONG_FOR_NAME, 60.0)
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    async def asker(self, request: Request) -> Asker:
        """Who asks; raises NotLetInError where nobody is recognised, StorageError where that cannot be looked up."""
        scheme, _, said = request.headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "bearer":
                return self._bearer(request, said.strip())
            case "basic":
                return await run_in_threadpool(self._basic, request, said.strip())
        hint = "send Authorization: Bearer with the token of the data directory's token file or one of `tocsin tokens`"
        raise NotLetInError(401, "no valid operator token", hint)

    def _bearer(self, request: Request, text: str) -> Asker:
        if hmac.compare_digest(text.encode("utf-8", "surrogatepass"), self._token):
            return Asker(name="operator", role="administrator", owner=True)
        found = self._operators.bearer(text, self._clock())
        if found is None:
            self._own.failed("operator", address(request), "unknown token")
            hint = "send the token of the data directory's token file, or one of `tocsin tokens` that still holds"
            raise NotLetInError(401, "no valid operator token", hint)
        user, token = found
        return _asker(user, token.role or user.role)

    def _basic(self, request: Request, text: str) -> Asker:
        name, password = _name_and_password(text)
        peer, now = address(request), self._clock()
        wait = max(self._addresses.wait(peer, now), self._names.wait(name, now))
        if wait > 0:
            self._own.failed("operator", peer, "too many wrong passwords", user=name)
            hint = "wait, or use a token"
            raise NotLetInError(429, "too many wrong passwords", hint, math.ceil(wait))
        if not self._turns.acquire(timeout=5.0):
            raise NotLetInError(503, "too many log-ins are being checked", "try again in a moment, or use a token", 1)
        try:
            user = self._operators.book.user(name)
            usable = user is not None and user.disabled is None
            right = self._passwords.right(user.password if user is not None and usable else "", password, now)
        finally:
            self._turns.release()
        if user is None or not right:
            self._addresses.spend(peer, now)
            self._names.spend(name, now)
            self._own.failed("operator", peer, "bad password", user=name)
            raise NotLetInError(
                401, "name or password is wrong", "an administrator can set it: `tocsin users password`"
            )
        return _asker(user, user.role)


def asker_of(request: Request) -> Asker:
    """Who asks, once the gate has let them in."""
    asker = request.state.asker
    assert isinstance(asker, Asker)
    return asker


def address(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client is not None else ""


def _asker(user: User, role: Role) -> Asker:
    return Asker(name=user.name, role=role, tenants=None if user.everything else frozenset(user.tenants))


def _name_and_password(text: str) -> tuple[str, str]:
    try:
        name, colon, password = base64.b64decode(text, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        name = colon = password = ""
    if not colon or not name or len(name) > 64:
        raise NotLetInError(401, "no name and password", "send Authorization: Basic as RFC 7617 has it")
    return name, password
