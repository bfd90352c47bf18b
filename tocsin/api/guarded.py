"""Answers to whoever asks for what cannot be: what is wrong and what to do, in JSON."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from stream.errors import NotThereError, RejectedError, TocsinError
from tocsin.api.body import TooLargeError

Handler = Callable[[Request], Awaitable[Response]]


def guarded(handler: Handler) -> Handler:
    """A handler whose errors are answered."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except TooLargeError as problem:
            return error(413, problem.what, problem.hint)
        except NotThereError as problem:
            return error(404, problem.what, problem.hint)
        except RejectedError as problem:
            return error(400, problem.what, problem.hint)
        except TocsinError as problem:
            return error(503, problem.what, problem.hint)

    return answer


def error(status: int, error: str, hint: str = "") -> JSONResponse:
    """An answer that says what is wrong."""
    return JSONResponse({"error": error, "hint": hint}, status_code=status)
