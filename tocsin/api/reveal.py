"""Revealing what privacy hid: an act that enters the stream before anybody learns a name."""

import asyncio
from typing import Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from collector.privacy.policy import FIELDS
from stream.clean import clean_text
from stream.control import Revealed, control_frame
from stream.errors import RejectedError
from stream.log import FINDINGS
from tocsin.api.body import read_body
from tocsin.config.faults import did_you_mean
from tocsin.receiving.enriching import vault_of
from tocsin.runtime import Runtime

MOST: Final = 20
"""Values that one act reveals at most."""
_FORM: Final = '{"field": "user", "values": ["alias:…"], "why": "INC-7: calling the person"}'


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    field: str = "user"
    values: tuple[str, ...] = ()
    why: str = ""
    by: str = ""


class Reveal:
    """Tells what aliases and sealed values stand for, to administrators who say why."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def answer(self, request: Request) -> Response:
        """Turn some values back. Raises RejectedError where one cannot be, ConfigError where there is no key."""
        asked = await read_body(request, _Asked, _FORM)
        why = clean_text(asked.why, 500).strip()
        if not why:
            raise RejectedError("say why", hint=f"the reason stands in the stream for good: {_FORM}")
        if not 0 < len(asked.values) <= MOST:
            raise RejectedError(f"between 1 and {MOST} values are revealed at once", hint=_FORM)
        if asked.field not in FIELDS:
            raise RejectedError(f"nothing is hidden of {asked.field[:40]!r}", hint=did_you_mean(asked.field, FIELDS))
        vault = await run_in_threadpool(vault_of, self._runtime.ready_made.loaded)
        shown = {value: vault.reveal(asked.field, value) for value in asked.values}
        now = self._runtime.clock()
        act = Revealed(asked.field, asked.values, clean_text(asked.by, 128) or "operator", now, why)
        # Only once it is durable that somebody looked does anybody see.
        await asyncio.wrap_future(self._runtime.log.append(FINDINGS, control_frame(act, now, source=act.by)))
        return JSONResponse({"field": asked.field, "revealed": shown})
