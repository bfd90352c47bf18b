"""What the wrapper tells of a server over stdio: its calls, and changes of the file that starts it."""

import hashlib
import os
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from tocsin_audit.event import AuditEvent
from tocsin_audit.lines import Conversation, End, Line, LineTap
from tocsin_audit.options import options
from tocsin_audit.recorder import Recorder

STOP_SECONDS: Final = 1.5
_LOOK_SECONDS: Final = 15.0
_MOST_FILE: Final = 16 * 1024 * 1024


class Watcher:
    """The recorder of one wrapped server; without a collector or a file it only looks away."""

    def __init__(
        self,
        server: str,
        environment: Mapping[str, str],
        *,
        user: str | None = None,
        tenant: str | None = None,
        events: Path | None = None,
        started_by: Path | None = None,
    ) -> None:
        given = options(
            environment,
            name=None,
            host=socket.gethostname(),
            server=server,
            path=events,
            limits={"stop_s": STOP_SECONDS},
        )
        self.enabled = given.enabled
        self.faults = given.faults
        self._server = server
        self._recorder = Recorder(given)
        self._conversation = Conversation(user=user, tenant=tenant)
        self._asked = LineTap()
        self._answered = LineTap()
        self._file = started_by
        self._known = given.spool / "started-by.json"
        self._over = threading.Event()

    def start(self) -> None:
        """Begin to deliver, and to look at the file."""
        if self.enabled:
            self._recorder.start()
            if self._file is not None:
                threading.Thread(target=self._look, name="tocsin-file", daemon=True).start()

    def asked(self, piece: bytes) -> None:
        """Bytes from the client."""
        self._feed(self._asked, piece, from_server=False)

    def answered(self, piece: bytes) -> None:
        """Bytes from the server."""
        self._feed(self._answered, piece, from_server=True)

    def stop(self, status: int) -> None:
        """Deliver or spool what is left; `status` is how the server ended."""
        self._over.set()
        if self.enabled:
            how = f"signal {-status}" if status < 0 else f"exit code {status}"
            self._recorder.submit(End(self._conversation, f"the server ended ({how})"))
            self._recorder.stop()

    def note(self, event: AuditEvent) -> None:
        """Ship one event and end."""
        if self.enabled:
            self._recorder.record(event)
            self._recorder.stop()

    def _feed(self, tap: LineTap, piece: bytes, *, from_server: bool) -> None:
        if not self.enabled:
            return
        try:
            for data, size, cut in tap.feed(piece):
                line = Line(self._conversation, data, size, cut=cut, from_server=from_server)
                if not self._recorder.submit(line):
                    self._conversation.lost = True
        except Exception as error:  # noqa: BLE001 - our own faults must not reach the traffic
            self._recorder.trouble("watching", error)

    def _look(self) -> None:
        assert self._file is not None
        while True:
            try:
                event = file_change(self._file, self._known, self._server)
                if event is not None:
                    self._recorder.record(event)
            except (OSError, ValueError) as error:
                self._recorder.trouble("looking at the client's configuration", error)
            if self._over.wait(_LOOK_SECONDS):
                return


def file_change(file: Path, known: Path, server: str) -> AuditEvent | None:
    """The event of a file that is not as it was when it was last looked at; `known` remembers. Raises OSError."""
    now = digest(file)
    said: Any = msgspec.json.decode(known.read_bytes()) if known.exists() else {}
    before = said.get(str(file)) if isinstance(said, dict) else None
    if before == now:
        return None
    known.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = known.with_suffix(f".{os.getpid()}")
    part.write_bytes(msgspec.json.encode({str(file): now}))
    part.replace(known)
    return change_event(file, "changed", before, now, server) if before is not None else None


def change_event(file: Path, action: str, before: str | None, after: str | None, server: str) -> AuditEvent:
    """A `config` event about a client's configuration file, with digests of what was and what is."""
    event = AuditEvent(time=time.time(), server=server, kind="config", outcome="ok", target=str(file)[:1024])
    change = {"object": str(file), "action": action, "grantee": server, "before": before, "after": after}
    event.change = msgspec.Raw(msgspec.json.encode(change))
    event.transport = "stdio"
    return event


def digest(file: Path) -> str | None:
    """`sha256:` and the digest of a file; null where there is none. Raises OSError."""
    if not file.exists():
        return None
    with file.open("rb") as opened:
        return "sha256:" + hashlib.sha256(opened.read(_MOST_FILE)).hexdigest()
