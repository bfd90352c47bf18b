"""What of the directory's leave is known in the store: the grants of the newest version that was heard of."""

from sqlalchemy import Connection, delete, insert, select

from alerting.database.schema import LEAVE
from alerting.deciding.granted import DECODER, ENCODER, Leave


class Leaves:
    """The grants of the newest version of the directory, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._digest: str | None = None

    def digest(self) -> str:
        """The digest of the version that the grants are of; empty before the first."""
        if self._digest is None:
            self._digest = self._connection.execute(select(LEAVE.c.digest)).scalar() or ""
        return self._digest

    def leave(self) -> Leave:
        """The grants; none before the first version."""
        body = self._connection.execute(select(LEAVE.c.body)).scalar()
        return DECODER.decode(body) if body is not None else Leave()

    def keep(self, digest: str, leave: Leave, at: float) -> None:
        """Keep the grants of a version in the place of those before."""
        self._connection.execute(delete(LEAVE))
        values = {"digest": digest, "at": at, "body": ENCODER.encode(leave).decode()}
        self._connection.execute(insert(LEAVE), values)
        self._digest = digest
