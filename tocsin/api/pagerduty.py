"""`POST /v1/pagerduty/<sink>`: where PagerDuty reports that somebody took a page."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from alerting import queries
from alerting.pagerduty_webhook import Taken, signed, taken
from stream.control import IncidentChange
from stream.errors import RejectedError, TocsinError, UnavailableError
from tocsin.acts import carry_out
from tocsin.api.body import MOST
from tocsin.runtime import Runtime


class PagerDutyHook:
    """Takes acknowledgements of signed webhooks; all else that is reported is answered and left alone."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._secrets = {
            plan.name: secret
            for plan in runtime.ready_made.sinks
            if plan.kind.name == "pagerduty" and (secret := plan.options.webhook_secret)
        }

    async def take(self, request: Request) -> Response:
        """One webhook: 401 unless signed, 400 where it is none, 503 where it is to be sent again, else 202."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MOST:
                return _said(413, error=f"the body is larger than {MOST} bytes")
        secret = self._secrets.get(request.path_params["sink"])
        if secret is None or not signed(secret, request.headers.get("x-pagerduty-signature", ""), body):
            return _said(401, error="the signature is not that of the body", hint="compare webhook_secret")
        try:
            found = taken(body)
            return _said(202, **(await self._acknowledge(found) if found else {"acknowledged": False}))
        except RejectedError as error:
            return _said(400, error=error.what, hint=error.hint)
        except TocsinError as error:
            return _said(503, error=error.what, hint=error.hint)

    async def _acknowledge(self, found: Taken) -> dict[str, object]:
        runtime = self._runtime
        try:
            record = await run_in_threadpool(queries.find, runtime.store, found.incident)
            if record.opening != found.opening or record.status != "open":
                return {"acknowledged": False, "why": f"opening {record.opening} of it is {record.status}"}
            change = IncidentChange(record.id, "ack", found.by, runtime.clock())
            await carry_out(runtime, change)
        except RejectedError as error:
            return {"acknowledged": False, "why": error.what}
        except UnavailableError as error:
            # It is in the log, so that it takes effect by itself; sent again it would only be refused.
            return {"acknowledged": True, "why": error.what}
        return {"acknowledged": True, "incident": record.id, "by": found.by}


def _said(status: int, **what: object) -> JSONResponse:
    return JSONResponse(what, status_code=status)
