"""The relay: a child process in this one's place, byte for byte, with somebody looking on."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

Look = Callable[[bytes], None]
Ending = Callable[[], None]

_PIECE: Final = 65_536
_LAST_WORDS: Final = 2.0
"""Seconds for what a server's own children still write after it has ended."""
_FORWARDED: Final = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGBREAK")
_FROM_KEYBOARD: Final = frozenset({"SIGINT", "SIGQUIT"})
NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126


class Relay:
    """Starts a command and stands between it and whoever started this process.

    `asked` and `answered` see what passes each way; they must return at once and not raise.
    """

    def __init__(self, command: Sequence[str], asked: Look, answered: Look) -> None:
        """Raises OSError where the command cannot be started."""
        self._asked = asked
        self._answered = answered
        self._child = subprocess.Popen(  # noqa: S603  # starting this command is what we are asked for
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._child.pid

    def run(self) -> int:
        """Relay until the server has ended; its exit status, negative for a signal. For the main thread."""
        child = self._child
        assert child.stdin is not None
        assert child.stdout is not None
        self._forward_signals()
        there, back = child.stdin, child.stdout
        inwards = (0, there.fileno(), self._asked, partial(_hang_up, 0), there.close)
        outwards = (back.fileno(), 1, self._answered, back.close, partial(_hang_up, 1))
        threading.Thread(target=_pump, args=inwards, daemon=True).start()
        outward = threading.Thread(target=_pump, args=outwards, daemon=True)
        outward.start()
        status = child.wait()
        outward.join(_LAST_WORDS)
        return status

    def _forward_signals(self) -> None:
        keyboard = sys.stdin is not None and os.isatty(0)

        def forward(number: int, _: object) -> None:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(number)

        for name in _FORWARDED:
            number = getattr(signal, name, None)
            if number is None:
                continue
            # A key on a terminal reaches the whole group, the server included.
            ignored = keyboard and name in _FROM_KEYBOARD
            signal.signal(number, (lambda *_: None) if ignored else forward)


def end_like(status: int) -> int:
    """End this process as the server ended: by the same signal, else its exit code is given back."""
    if status >= 0:
        return status
    number = -status
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        os.kill(os.getpid(), number)
    return 128 + number


def _pump(source: int, sink: int, look: Look, end_source: Ending, end_sink: Ending) -> None:
    """Pass on until either side closes, and close the other then."""
    try:
        while piece := os.read(source, _PIECE):
            look(piece)
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(sink, rest) :]
    except OSError:
        # The reader has gone: so that the writer hears of it as it would without us.
        _try(end_source)
    _try(end_sink)


def _try(ending: Ending) -> None:
    with contextlib.suppress(OSError):
        ending()


def _hang_up(descriptor: int) -> None:
    """Close a standard stream without giving its number away to the next file that is opened."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)
