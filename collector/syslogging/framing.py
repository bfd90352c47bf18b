"""Where one syslog message of a stream ends and the next begins: octet counting, or a line end (RFC 6587)."""

import re
from typing import Final

_COUNT: Final = re.compile(rb"([1-9]\d{0,8}) ")
_ENDS: Final = re.compile(rb"[\n\0]")


class Framer:
    """Cuts a stream into messages of at most `longest` bytes; longer ones are passed over and counted."""

    def __init__(self, longest: int) -> None:
        self.too_long = self.malformed = 0
        self._longest = longest
        self._buffer = bytearray()
        self._skip = 0
        self._searched = 0
        self._skipping = False

    @property
    def held(self) -> int:
        """Bytes of a message that has not ended yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that end in data, each without its frame."""
        self._buffer += data
        found: list[bytes] = []
        at = 0
        while at < len(self._buffer):
            if self._skip:
                step = min(self._skip, len(self._buffer) - at)
                self._skip -= step
                at += step
                continue
            after = self._counted(at, found) if self._digit(at) else self._line(at, found)
            if after is None:
                break
            at = after
        del self._buffer[:at]
        return found

    def end(self) -> list[bytes]:
        """What is left when the stream ends: a last line without its end."""
        rest, self._buffer = bytes(self._buffer), bytearray()
        if not rest.strip() or self._skipping:
            return []
        if rest[:1].isdigit():
            self.malformed += 1
            return []
        return [rest]

    def _digit(self, at: int) -> bool:
        return not self._skipping and 0x30 <= self._buffer[at] <= 0x39

    def _counted(self, at: int, found: list[bytes]) -> int | None:
        match = _COUNT.match(self._buffer, at)
        if match is None:
            if len(self._buffer) - at < 11 and self._buffer[at:].isdigit():
                return None
            # No count after all: what follows up to the next line end is of no use.
            self.malformed += 1
            self._skipping = True
            return at
        size, start = int(match[1]), match.end()
        if size > self._longest:
            self.too_long += 1
            self._skip = size
            return start
        if len(self._buffer) - start < size:
            return None
        found.append(bytes(self._buffer[start : start + size]))
        return start + size

    def _line(self, at: int, found: list[bytes]) -> int | None:
        # Whoever sends byte by byte must not have all of it searched each time.
        match = _ENDS.search(self._buffer, max(at, self._searched if at == 0 else 0))
        self._searched = 0
        if match is None:
            self._searched = len(self._buffer) if at == 0 else 0
            if len(self._buffer) - at <= self._longest and not self._skipping:
                return None
            if not self._skipping:
                self.too_long += 1
                self._skipping = True
            self._searched = 0
            return len(self._buffer)
        if self._skipping:
            self._skipping = False
        elif match.start() - at > self._longest:
            self.too_long += 1
        elif line := bytes(self._buffer[at : match.start()]).strip(b"\r"):
            found.append(line)
        return match.end()
