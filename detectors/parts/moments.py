"""In which minutes something happened: one bit a minute, for as long as minute cells are held."""

from typing import Any, ClassVar, Final

HELD: Final = 180
"""Minutes that are held (CONTRACTS §1)."""


class Minutes:
    """A set of minutes since the epoch that lie within three hours of each other."""

    __slots__ = ("base", "mask")

    def __init__(self, base: int = 0, mask: int = 0) -> None:
        self.base = base
        self.mask = mask

    def add(self, minute: int) -> bool:
        """Add a minute; whether it is new. The latest three hours stay."""
        if not self.mask:
            self.base, self.mask = minute, 1
            return True
        shift = minute - self.base
        if 0 <= shift <= HELD:
            bit = 1 << shift
            if self.mask & bit:
                return False
            self.mask |= bit
            return True
        if shift >= 0:
            bit = 1 << shift if shift < 4 * HELD else 0
            if self.mask & bit:
                return False
            if bit:
                self.mask |= bit
                self.forget(self.last - HELD)
            else:
                self.base, self.mask = minute, 1
            return True
        if self.last - minute > HELD:
            return False
        self.base, self.mask = minute, self.mask << -shift | 1
        return True

    def update(self, other: "Minutes") -> None:
        """Add all minutes of another set."""
        mask, minute = other.mask, other.base
        while mask:
            if mask & 1:
                self.add(minute)
            mask >>= 1
            minute += 1

    def within(self, first: int, last: int) -> bool:
        """Whether one of the minutes lies from `first` to `last`, both included."""
        return self.span(first, last) is not None

    def span(self, first: int, last: int) -> tuple[int, int] | None:
        """The earliest and the latest of the minutes from `first` to `last`, both included."""
        low = max(first - self.base, 0)
        high = last - self.base
        if high < low or not self.mask:
            return None
        mask = (self.mask & ((2 << high) - 1)) >> low
        if not mask:
            return None
        start = self.base + low
        return start + (mask & -mask).bit_length() - 1, start + mask.bit_length() - 1

    def listed(self) -> list[int]:
        """Every minute, in order."""
        return [self.base + shift for shift in range(self.mask.bit_length()) if self.mask >> shift & 1]

    @property
    def last(self) -> int:
        """The latest minute."""
        return self.base + self.mask.bit_length() - 1

    def forget(self, before: int) -> None:
        """Drop what lies before a minute."""
        shift = before - self.base
        if shift <= 0:
            return
        self.mask >>= shift
        if not self.mask:
            self.base = 0
            return
        zeros = (self.mask & -self.mask).bit_length() - 1
        self.mask >>= zeros
        self.base += shift + zeros

    def pack(self) -> Any:
        """The first minute and the mask's bytes."""
        return [self.base, self.mask.to_bytes((self.mask.bit_length() + 7) // 8, "little")]

    @classmethod
    def unpack(cls, packed: Any) -> "Minutes":
        """The part that `pack` wrote."""
        return cls(packed[0], int.from_bytes(packed[1], "little"))


CROWD: Final = -1
"""The key of all, once there are too many to tell apart."""


class Sightings:
    """For each of up to 256 keys the minutes in which it was seen; with more, the minutes of all under `CROWD`."""

    LIMIT: ClassVar[int] = 256

    __slots__ = ("keys",)

    def __init__(self, keys: dict[int, Minutes] | None = None) -> None:
        self.keys = keys if keys is not None else {}

    def add(self, key: int, minute: int) -> bool:
        """Note that a key was seen; whether that is new."""
        keys = self.keys
        seen = keys.get(key)
        if seen is None:
            if CROWD in keys:
                return keys[CROWD].add(minute)
            if len(keys) >= self.LIMIT:
                self._collapse()
                return self.keys[CROWD].add(minute)
            seen = keys[key] = Minutes()
        return seen.add(minute)

    def update(self, other: "Sightings") -> None:
        """Add all that another saw."""
        if CROWD in other.keys and CROWD not in self.keys:
            self._collapse()
        for key, minutes in other.keys.items():
            if CROWD in self.keys:
                self.keys[CROWD].update(minutes)
            elif key in self.keys:
                self.keys[key].update(minutes)
            elif len(self.keys) >= self.LIMIT:
                self._collapse()
                self.keys[CROWD].update(minutes)
            else:
                copy = self.keys[key] = Minutes()
                copy.update(minutes)

    def within(self, first: int, last: int) -> list[int]:
        """The keys that were seen from one minute to another, both included."""
        return [key for key, minutes in self.keys.items() if minutes.within(first, last)]

    def forget(self, before: int) -> None:
        """Drop what lies before a minute."""
        for key in list(self.keys):
            self.keys[key].forget(before)
            if not self.keys[key].mask:
                del self.keys[key]

    def _collapse(self) -> None:
        whole = Minutes()
        for minutes in self.keys.values():
            whole.update(minutes)
        self.keys = {CROWD: whole}

    def __bool__(self) -> bool:
        return bool(self.keys)

    def pack(self) -> Any:
        """The keys in order, each with its minutes."""
        return [[key, *self.keys[key].pack()] for key in sorted(self.keys)]

    @classmethod
    def unpack(cls, packed: Any) -> "Sightings":
        """The part that `pack` wrote."""
        return cls({key: Minutes.unpack(minutes) for key, *minutes in packed})
