"""The one shallow tree of errors: each says what happened, where, and what to do next."""

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding bytes from outside may raise: msgspec lets two errors pass that are none of its own."""


class TocsinError(Exception):
    """Something that an operator can act on.

    `what` happened is a sentence; `where` is a file, line, address or key; `hint` is the next step.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\nhint: {self.hint}" if self.hint else text


class ConfigError(TocsinError):
    """The configuration, the directory or a rule says something that cannot be done."""


class StorageError(TocsinError):
    """A log, a database or a spool cannot be read or written."""


class DamagedError(StorageError):
    """Stored bytes are not what was written."""


class FullError(StorageError):
    """There is no room to accept more; nothing that was accepted is lost."""


class LockedError(StorageError):
    """Another process owns this data directory."""


class RejectedError(TocsinError):
    """Input that cannot be used, with the reason."""


class NotThereError(RejectedError):
    """What was named is not there, or not for who asks: nobody learns which."""


class UnavailableError(TocsinError):
    """Something outside (a server, an optional package) cannot be reached now."""
