"""Drills by `/api/v1`: what is rehearsed, and its steps as JSON lines while they are reached."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from stream.clean import clean_text
from stream.errors import RejectedError
from stream.finding import CLASSES, SEVERITIES
from tocsin.access.log_in import Asker, asker_of
from tocsin.api.body import read_body
from tocsin.config.faults import did_you_mean
from tocsin.incidents.drilling import Drill, Order
from tocsin.moments import duration
from tocsin.runtime import Runtime

AT_ONCE: Final = 4
"""Drills that run at a time: each holds a connection, and may wake somebody."""
SIGN_OF_LIFE: Final = 10.0
"""Seconds without a step after which an empty line says that the drill goes on."""
LONGEST: Final = 600.0
"""Seconds that deliveries may take at most."""
LONGEST_TAKING: Final = 3600.0
"""Seconds that somebody who is woken has at most."""


class _Said(msgspec.Struct):
    class_: str = msgspec.field(default="drill", name="class")
    severity: str = "high"
    tenant: str | None = None
    page: bool = False
    by: str = "operator"
    wait: str = "60s"
    acknowledge: str = "15m"


class DrillApi:
    """What operators rehearse."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, request: Request) -> Response:
        """Run a drill; the answer's last line is what came of it. It goes on to its end if nobody listens any more."""
        said = await read_body(request, _Said, '{"class": "spray", "tenant": "acme", "page": false, "by": "you"}')
        order = _order(said, asker_of(request))
        if len(self._tasks) >= AT_ONCE:
            raise RejectedError(f"{len(self._tasks)} drills run already", hint="wait until one of them has ended")
        lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        drill = Drill(self._runtime, uuid.uuid4().hex, order, lines.put_nowait)

        async def run() -> None:
            try:
                lines.put_nowait({"result": await drill.run()})
            finally:
                lines.put_nowait(None)

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return StreamingResponse(_told(lines), media_type="application/x-ndjson")


async def _told(lines: "asyncio.Queue[dict[str, Any] | None]") -> AsyncIterator[bytes]:
    while True:
        try:
            line = await asyncio.wait_for(lines.get(), SIGN_OF_LIFE)
        except TimeoutError:
            yield b"{}\n"
            continue
        if line is None:
            return
        yield json.dumps(line).encode() + b"\n"


def _order(said: _Said, asker: Asker) -> Order:
    """What somebody may rehearse; raises RejectedError saying what is wrong."""
    if said.class_ not in CLASSES:
        raise RejectedError(f"there is no class '{said.class_[:40]}'", hint=did_you_mean(said.class_, CLASSES))
    if said.severity not in SEVERITIES:
        raise RejectedError(f"'{said.severity[:40]}' is no severity", hint=", ".join(SEVERITIES))
    tenant = clean_text(said.tenant, 255) if said.tenant is not None else None
    if asker.tenants is not None:
        tenant = tenant or min(asker.tenants)
        if tenant not in asker.tenants:
            raise RejectedError("a drill of yours has to be for your tenants", hint=f"--tenant {min(asker.tenants)}")
        if said.page:
            raise RejectedError("those who see every tenant wake people for a drill", hint="leave out --page")
    return Order(
        class_=next(one for one in CLASSES if one == said.class_),
        severity=next(one for one in SEVERITIES if one == said.severity),
        tenant=tenant,
        page=said.page,
        by=clean_text(said.by, 100) or "operator",
        wait=_seconds("wait", said.wait, LONGEST),
        acknowledge=_seconds("acknowledge", said.acknowledge, LONGEST_TAKING),
    )


def _seconds(name: str, text: str, most: float) -> float:
    seconds = duration(text)
    if seconds is None or seconds > most:
        raise RejectedError(f"{name} is a length of time up to {most / 60:.0f}m", hint=f"--{name} 30s")
    return seconds
