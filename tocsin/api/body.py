"""What operators' requests say: small, and refused with what it should look like."""

from typing import Final, TypeVar

import msgspec
from starlette.requests import Request

from stream.errors import RejectedError
from tocsin.access.log_in import asker_of

T = TypeVar("T")

MOST: Final = 64 * 1024
"""Bytes of a body at most."""


class TooLargeError(RejectedError):
    """A body beyond what an act may take."""


async def read_body(request: Request, form: type[T], hint: str) -> T:
    """A body as what was asked for; an empty one says nothing. Raises RejectedError with the hint where it is not.

    Whatever it says of who acts (`by`), it is the name under which the asker came in; the token file's owner alone
    may give another, since they are whoever works on that machine.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST:
            raise TooLargeError(f"the body is larger than {MOST} bytes", hint="shorten the text in it")
    try:
        said = msgspec.json.decode(body or b"{}", type=form)
    except (ValueError, RecursionError) as error:
        raise RejectedError("the body makes no sense", hint=hint) from error
    asker = asker_of(request)
    if isinstance(said, msgspec.Struct) and "by" in said.__struct_fields__ and not asker.owner:
        said = msgspec.structs.replace(said, by=asker.name)
    return said


def limit_of(text: str | None, default: int, most: int) -> int:
    """The `limit` of a query. Raises RejectedError where it is no number from 1 to `most`."""
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= most:
        raise RejectedError(f"limit must be a number from 1 to {most}")
    return int(text)
