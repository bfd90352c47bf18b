"""Coverage by `/api/v1`: was everything logged and looked at between two moments?"""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from stream.errors import RejectedError
from tocsin.access.log_in import asker_of
from tocsin.coverage.answer import Ask
from tocsin.moments import moment
from tocsin.runtime import Runtime

LONGEST = 400 * 86_400.0
"""Seconds that one answer covers at most."""


class CoverageAnswers:
    """Answers about stretches of time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def answer(self, request: Request) -> Response:
        """What came, what did not, and who looked, `from` a moment (a day ago) `to` another (as far as is counted)."""
        asked, runtime = request.query_params, self._runtime
        covering = runtime.covering
        now = runtime.clock()
        since = moment(asked.get("from", "1d"), now)
        # What came in the last two minutes may still be on its way: nobody who does not ask for it wants to hear that.
        until = moment(asked["to"], now) if "to" in asked else max(covering.known, since + 1.0)
        if not 0 < until - since <= LONGEST:
            raise RejectedError(
                "there is nothing between these moments" if until <= since else "that is more than 400 days",
                hint="say from when and to when: --from 2026-11-20T08:00:00Z --to 2026-11-20T18:00:00Z",
            )
        ask = Ask(since, until, asked.get("producer"), asked.get("server"), asker_of(request).tenants)
        directory = runtime.directory.directory
        return JSONResponse(await run_in_threadpool(covering.answer, ask, directory))
