"""Columns whose values may lie encrypted in the database, which queries need not know of.

Whether and how is said for an engine with `attach`; without that a value is stored as it is.
"""

from typing import Any, Final, Protocol

from sqlalchemy import ColumnElement, Dialect, Engine, LargeBinary, Text, type_coerce
from sqlalchemy.types import TypeDecorator

_ATTRIBUTE: Final = "tocsin_columns"


class Columns(Protocol):
    """Encrypts values (see `stream.encryption.columns`)."""

    def sealed(self, column: str, value: str) -> str:
        """A text that is only read."""
        ...

    def opened(self, column: str, stored: str) -> str:
        """What `sealed` was given."""
        ...

    def sealed_bytes(self, column: str, value: bytes) -> bytes:
        """Bytes that are only read."""
        ...

    def opened_bytes(self, column: str, stored: bytes) -> bytes:
        """What `sealed_bytes` was given."""
        ...

    def named(self, value: str) -> str:
        """A text that is looked for: equal ones look equal."""
        ...

    def told(self, stored: str) -> str:
        """What `named` was given."""
        ...


def attach(engine: Engine, columns: Columns) -> None:
    """Have an engine encrypt and decrypt."""
    setattr(engine.dialect, _ATTRIBUTE, columns)


def as_stored(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column's values as they lie in the database, encrypted or not."""
    return type_coerce(column, column.type.impl_instance) if isinstance(column.type, TypeDecorator) else column


def _of(dialect: Dialect) -> Columns | None:
    found: Columns | None = getattr(dialect, _ATTRIBUTE, None)
    return found


class Sealed(TypeDecorator[str]):
    """A text that is only read, never looked for; `column` is what it is bound to."""

    impl = Text
    cache_ok = True

    def __init__(self, column: str) -> None:
        super().__init__()
        self.column = column

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """A value as it is stored."""
        columns = _of(dialect)
        return value if columns is None or value is None else columns.sealed(self.column, value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """A stored value as it was."""
        columns = _of(dialect)
        return value if columns is None or value is None else columns.opened(self.column, value)


class SealedBytes(TypeDecorator[bytes]):
    """Bytes that are only read; `column` is what they are bound to."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, column: str) -> None:
        super().__init__()
        self.column = column

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        """A value as it is stored."""
        columns = _of(dialect)
        return value if columns is None or value is None else columns.sealed_bytes(self.column, value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        """A stored value as it was."""
        columns = _of(dialect)
        return value if columns is None or value is None else columns.opened_bytes(self.column, value)


class Named(TypeDecorator[str]):
    """A text that is looked for by being equal, and by nothing else."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """A value as it is stored and compared."""
        columns = _of(dialect)
        return value if columns is None or value is None else columns.named(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """A stored value as it was."""
        columns = _of(dialect)
        return value if columns is None or value is None else columns.told(value)
