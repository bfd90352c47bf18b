"""Room on the disk: accepting stops while there is still enough to work off what was accepted."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from stream.errors import FullError, StorageError

SHARE: Final = 0.1
CEILING: Final = 5 * 1024**3


class Usage(Protocol):
    """What `shutil.disk_usage` answers, in bytes."""

    @property
    def total(self) -> int:
        """The size of the disk."""
        ...

    @property
    def free(self) -> int:
        """What an ordinary user may still write."""
        ...


class Space:
    """The bytes below which nothing more is accepted: a tenth of the disk, at most 5 GiB, or what the operator says."""

    def __init__(
        self, folder: Path, reserve_bytes: int | None = None, usage: Callable[[Path], Usage] = shutil.disk_usage
    ) -> None:
        self._folder = folder
        self._usage = usage
        self._reserve = reserve_bytes

    def claim(self, size: int) -> None:
        """Pass if so many bytes may be written; raises FullError where they would touch the reserve."""
        try:
            usage = self._usage(self._folder)
        except OSError as error:
            raise StorageError(
                f"the disk does not say how much room it has ({error.strerror})",
                where=str(self._folder),
                hint="look whether the data directory's disk is still mounted",
            ) from error
        reserve = min(int(usage.total * SHARE), CEILING) if self._reserve is None else self._reserve
        if usage.free - size < reserve:
            raise FullError(
                f"the disk has {_size(usage.free)} left, of which {_size(reserve)} are reserved",
                where=str(self._folder),
                hint="free some room or shorten the retention; producers keep their events until then",
            )


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB" if count >= 1024**3 else f"{count / 1024**2:.1f} MiB"
