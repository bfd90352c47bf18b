"""Inquiries at a running Tocsin: one replay at a time, which takes at most half of a thread's time."""

import logging
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse

from detectors.base import AnyDetector
from detectors.engine.engine import SECRET
from detectors.engine.witness import Witness
from stream.errors import RejectedError, TocsinError, UnavailableError
from stream.log import EVENTS
from stream.sqlite import SqliteLog
from tocsin.first_start import kept_secret
from tocsin.runtime import SECRET_FILE, Runtime
from tocsin.whynot.answer import why_not

logger = logging.getLogger("tocsin.whynot")

KEPT: Final = 8
"""Answers that are kept, for whoever asks again."""
FRESH: Final = 60.0
"""Seconds for which an answer is given again as it was."""


def witness(detectors: tuple[AnyDetector, ...], data: Path) -> Witness:
    """An engine like the one that keeps a data directory's state; where it has no key yet there is no state either."""
    path = data / SECRET_FILE
    secret = kept_secret(path).encode() if path.exists() else SECRET
    return Witness([type(detector)(detector.parameters) for detector in detectors], secret=secret)


class _Inquiry:
    """One question on its way to its answer."""

    def __init__(self) -> None:
        self.share = 0.0
        self.doing = "waiting for another question's answer"
        self.report: dict[str, Any] | None = None
        self.error: TocsinError | None = None
        self.ended: float | None = None


class Inquiries:
    """Answers `GET /api/v1/why-not?event=ID`: 202 with how far it is, then 200 with the answer."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._asked: OrderedDict[str, _Inquiry] = OrderedDict()
        self._turn = threading.Lock()

    async def answer(self, request: Request) -> JSONResponse:
        """Begin, or say how far it is; raises what made it fail."""
        if not isinstance(self._runtime.log, SqliteLog):
            raise UnavailableError(
                "why-not reads the embedded log only", hint="backtest the events in question instead"
            )
        id_ = request.query_params.get("event", "").strip()
        if not id_:
            raise RejectedError("no event is named", hint="ask with ?event=ID, the id as findings show it")
        inquiry = self._asked.get(id_)
        if inquiry is None or (inquiry.ended is not None and time.monotonic() - inquiry.ended > FRESH):
            waiting = sum(one.ended is None for one in self._asked.values())
            if waiting >= KEPT:
                return JSONResponse(
                    {"error": f"{waiting} questions are being answered", "hint": "ask again in a minute"},
                    status_code=503,
                )
            inquiry = self._begin(id_)
        if inquiry.error is not None:
            del self._asked[id_]
            raise inquiry.error
        if inquiry.report is None:
            return JSONResponse({"done": False, "share": inquiry.share, "doing": inquiry.doing}, status_code=202)
        return JSONResponse({"done": True, "report": inquiry.report})

    def _begin(self, id_: str) -> _Inquiry:
        inquiry = self._asked[id_] = _Inquiry()
        ended = [known for known, one in self._asked.items() if one.ended is not None and one is not inquiry]
        for known in ended[: max(0, len(self._asked) - KEPT)]:
            del self._asked[known]
        threading.Thread(target=self._work, args=(id_, inquiry), name="tocsin-why-not", daemon=True).start()
        return inquiry

    def _work(self, id_: str, inquiry: _Inquiry) -> None:
        runtime = self._runtime
        ready = runtime.ready_made
        rest = _Rest()

        def progress(share: float, doing: str) -> None:
            inquiry.share, inquiry.doing = share, doing
            rest()

        try:
            with self._turn:
                inquiry.report = why_not(
                    runtime.log,
                    runtime.store,
                    lambda: witness(ready.detectors, ready.data),
                    id_,
                    end=runtime.log.end(EVENTS),
                    progress=progress,
                    pause=rest,
                )
        except TocsinError as error:
            inquiry.error = error
        except Exception as error:  # the question must be answered, whatever is wrong
            logger.exception("why-not failed")
            inquiry.error = TocsinError(f"the question could not be answered ({error})", hint="see Tocsin's own log")
        inquiry.ended = time.monotonic()


class _Rest:
    """Sleeps as long as was worked since it last did, so that detection keeps at least half of the time."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def __call__(self) -> None:
        time.sleep(min(time.monotonic() - self._since, 1.0))
        self._since = time.monotonic()
