"""Carrying out what an operator does: it enters the stream of findings, and is answered once it took effect there."""

import asyncio
import time
from typing import Final

from alerting.task import act_frame
from stream.control import Act
from stream.errors import RejectedError, UnavailableError
from stream.log import FINDINGS
from tocsin.runtime import Runtime

SECONDS: Final = 10.0
"""How long an act may take to take effect before the answer says that it is on its way."""


async def carry_out(runtime: Runtime, act: Act) -> None:
    """Append an act and wait until it was decided.

    Raises RejectedError saying why it could not be done, and UnavailableError where it is stored but not yet decided.
    """
    offset = await asyncio.wrap_future(runtime.log.append(FINDINGS, act_frame(act, act.at)))
    deadline = time.monotonic() + SECONDS
    while runtime.decided <= offset:
        if time.monotonic() > deadline:
            raise UnavailableError("the act is stored but has not taken effect yet", hint="look again in a moment")
        await asyncio.sleep(0.01)
    why = runtime.observers.rejections.pop(act, None)
    if why is not None:
        raise RejectedError(why)
