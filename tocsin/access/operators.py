"""Operators: who may ask and act, kept with hashed passwords and API tokens in one file of the data directory."""

import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from stream.errors import ConfigError, RejectedError, StorageError
from stream.whole_file import alone, replace

FILE: Final = "operators.json"
"""The file's name in the data directory."""
PREFIX: Final = "tct"
DAY: Final = 86_400.0
LONGEST: Final = 366 * DAY
"""Seconds that a token may live at most."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
RESERVED: Final = frozenset({"operator", "tocsin", "system"})
"""Names under which Tocsin itself or the token file's owner acts."""

Role = Literal["viewer", "responder", "administrator"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "responder", "administrator")
T = TypeVar("T")


class User(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One operator. Without `everything` only `tenants` are seen; an empty `password` hash allows tokens alone.

    Times are seconds since the epoch; `disabled` is None while the user may come in.
    """

    name: str
    role: Role
    created: float
    tenants: tuple[str, ...] = ()
    everything: bool = False
    password: str = ""
    disabled: float | None = None


class Token(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One API token of a user, kept as the SHA-256 of its 192 random bits; `role` narrows what the user may do."""

    id: str
    user: str
    hash: str
    created: float
    expires: float
    role: Role | None = None
    note: str = ""
    revoked: float | None = None


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody there is, and their tokens."""

    version: int = 1
    users: tuple[User, ...] = ()
    tokens: tuple[Token, ...] = ()

    def user(self, name: str) -> User | None:
        """The user of a name."""
        return next((user for user in self.users if user.name == name), None)


_DECODER: Final = msgspec.json.Decoder(Book)


class Operators:
    """The operators of a file, read again whenever it changed; safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[tuple[int, int, int] | None, Book] = (None, Book())

    @property
    def book(self) -> Book:
        """What the file says now; raises StorageError where it cannot be read."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return Book()
        except OSError as error:
            raise _unreadable(self._path, error) from error
        seen = (status.st_mtime_ns, status.st_ino, status.st_size)
        known, book = self._known
        if seen != known:
            book = read(self._path)
            self._known = (seen, book)
        return book

    def bearer(self, text: str, now: float) -> tuple[User, Token] | None:
        """Whose good token a text is; None where it is unknown, expired or revoked, or its user disabled."""
        book = self.book
        prefix, _, rest = text.partition("_")
        id_, _, secret = rest.partition("_")
        token = next((one for one in book.tokens if one.id == id_), None) if prefix == PREFIX else None
        # An unknown id takes as long as a wrong secret.
        same = hmac.compare_digest(digest(secret), token.hash if token is not None else "0" * 64)
        if token is None or not same or token.revoked is not None or now >= token.expires:
            return None
        user = book.user(token.user)
        return (user, token) if user is not None and user.disabled is None else None


def read(path: Path) -> Book:
    """Everybody in a file; nobody where there is none. Raises StorageError where it cannot be read."""
    try:
        return _DECODER.decode(path.read_bytes())
    except FileNotFoundError:
        return Book()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def add_user(
    path: Path, now: float, name: str, role: Role, *, tenants: Sequence[str], everything: bool, password: str
) -> User:
    """Keep a new user; `password` is its hash. Raises ConfigError saying what is wrong, StorageError."""
    if not NAME.fullmatch(name):
        raise ConfigError(f"{name[:80]!r} is no name", hint="1 to 64 letters, digits or any of . _ @ + -")
    if name in RESERVED:
        raise ConfigError(f"{name!r} is a name that Tocsin acts under", hint="choose another")
    if bool(tenants) == everything:
        raise ConfigError("whose data may they see?", hint="say either --tenant NAME, once for each, or --all-tenants")
    user = User(
        name=name,
        role=role,
        created=now,
        tenants=tuple(dict.fromkeys(tenants)),
        everything=everything,
        password=password,
    )

    def added(book: Book) -> tuple[Book, User]:
        if book.user(name) is not None:
            raise ConfigError(f"there is a user {name!r} already", where=str(path), hint="`tocsin users list`")
        return msgspec.structs.replace(book, users=(*book.users, user)), user

    return change(path, added)


def change_user(path: Path, name: str, **fields: object) -> User:
    """Change fields of a user; raises ConfigError where there is none of that name, StorageError."""

    def changed(book: Book) -> tuple[Book, User]:
        old = known(book, name, path)
        new = msgspec.structs.replace(old, **fields)
        return msgspec.structs.replace(book, users=tuple(new if one is old else one for one in book.users)), new

    return change(path, changed)


def create_token(
    path: Path, now: float, name: str, seconds: float, *, role: Role | None = None, note: str = ""
) -> tuple[Token, str]:
    """Make a token of a user; the token, and the text that is shown once. Raises ConfigError or StorageError."""
    if not 0 < seconds <= LONGEST:
        raise ConfigError("a token lives for 1 second to 366 days", hint="--for 90d")
    secret = secrets.token_hex(24)
    id_ = secrets.token_hex(5)

    def added(book: Book) -> tuple[Book, Token]:
        user = known(book, name, path)
        if role is not None and ROLES.index(role) > ROLES.index(user.role):
            raise ConfigError(f"{name} is {user.role}, so that no token of theirs can be {role}", hint="leave it out")
        token = Token(id=id_, user=name, hash=digest(secret), created=now, expires=now + seconds, role=role, note=note)
        return msgspec.structs.replace(book, tokens=(*book.tokens, token)), token

    return change(path, added), f"{PREFIX}_{id_}_{secret}"


def revoke_token(path: Path, id_: str, now: float) -> Token:
    """Revoke a token from the next request on; raises ConfigError where there is none of that id, StorageError."""

    def revoked(book: Book) -> tuple[Book, Token]:
        old = next((token for token in book.tokens if token.id == id_), None)
        if old is None:
            raise ConfigError(
                f"there is no token {id_[:80]!r}", where=str(path), hint="`tocsin tokens list` names them"
            )
        new = old if old.revoked is not None else msgspec.structs.replace(old, revoked=now)
        return msgspec.structs.replace(book, tokens=tuple(new if one is old else one for one in book.tokens)), new

    return change(path, revoked)


def change(path: Path, decide: Callable[[Book], tuple[Book, T]]) -> T:
    """Replace the file by what is decided on what it says, while nobody else does; raises StorageError."""
    try:
        with alone(path.parent) as folder:
            book, result = decide(read(path))
            replace(path, msgspec.json.format(msgspec.json.encode(book), indent=1), folder)
    except OSError as error:
        raise StorageError(
            f"the operators cannot be written ({error.strerror})",
            where=str(path),
            hint="run the command as the user that runs Tocsin, and look whether the disk is full",
        ) from error
    return result


def known(book: Book, name: str, path: Path) -> User:
    """The user of a name; raises ConfigError where there is none."""
    user = book.user(name)
    if user is None:
        raise ConfigError(f"there is no user {name[:80]!r}", where=str(path), hint="`tocsin users list` names them")
    return user


def digest(secret: str) -> str:
    """What is kept of a secret of 192 random bits."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def role_of(text: str) -> Role:
    """A role by its name; raises RejectedError naming those there are."""
    for role in ROLES:
        if text == role:
            return role
    raise RejectedError(f"{text[:32]!r} is no role", hint=", ".join(ROLES))


def _unreadable(path: Path, error: Exception) -> StorageError:
    return StorageError(
        f"the operators cannot be read ({error})",
        where=str(path),
        hint="restore the file from a backup, or move it away: the token file still lets you in",
    )
