"""Posting to a service once, and what its answer means for what was posted; the outbox does the waiting."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

import httpx

from alerting.alert import Alert
from alerting.harmless import harmless
from alerting.sink import Result
from stream.errors import ConfigError

LONGEST_WAIT: Final = 3600.0
"""Seconds that an answer can make us wait at most."""
REFUSED: Final = frozenset({400, 405, 410, 413, 414, 415, 422})
"""Answers that will be the same next time; all others may pass, wrong credentials included once they are put right."""
SAID: Final = 300
"""Characters of an answer that are kept as the reason."""


class Poster:
    """A client of one service: no retries, no redirects, certificates checked; safe to close twice.

    Raises ConfigError where the authorities cannot be read.
    """

    def __init__(
        self,
        *,
        ca: str | None,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        login: tuple[str, str] | None = None,
    ) -> None:
        self._client = httpx.Client(
            verify=trust(ca), timeout=timeout, headers=headers, auth=login, follow_redirects=False
        )

    def send(
        self,
        method: Literal["GET", "POST", "PUT"],
        url: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response | Result:
        """The answer to one request, or what its failure means; never raises for what the service did."""
        try:
            return self._client.request(method, url, content=content or None, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Result("retry", harmless(f"{type(error).__name__}: {error}", SAID))

    def close(self) -> None:
        """Give back connections."""
        self._client.close()


def trust(ca: str | None) -> ssl.SSLContext:
    """Whom to believe: the authorities in a PEM file, else the system's; TLS 1.2 and newer.

    Raises ConfigError where the file cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise ConfigError("the certificates cannot be read", where=str(ca), hint=str(error)) from error


def taken(answer: httpx.Response) -> Result | None:
    """None where an answer says that what was sent was taken; else what it means."""
    if answer.is_success:
        return strange(answer)
    why = harmless(f"HTTP {answer.status_code}: {answer.text[:SAID] or answer.reason_phrase}", SAID)
    if answer.status_code in REFUSED:
        return Result("refused", why)
    return Result("retry", why, retry_after(answer.headers))


def strange(answer: httpx.Response) -> Result | None:
    """What is wrong with a success: a proxy's or a portal's page, or JSON that ends too early, is none of the service.

    A page is known by its beginning, since many a framework calls every text `text/html`.
    """
    if answer.content.lstrip()[:1] == b"<":
        return Result("retry", "the answer is a page, as of a proxy or a portal in between")
    if "json" in answer.headers.get("content-type", "") and answer.content:
        with suppress(ValueError):
            answer.json()
            return None
        return Result("retry", "the answer is no JSON though it says so")
    return None


def retry_after(headers: Mapping[str, Any]) -> float | None:
    """Seconds to wait as the answer has them: `Retry-After` as a number, or a date measured from the answer's own."""
    value = headers.get("retry-after") or headers.get("ratelimit-reset")
    if value is None:
        return None
    with suppress(ValueError):
        return min(max(0.0, float(value)), LONGEST_WAIT)
    with suppress(KeyError, TypeError, ValueError):
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers["date"])
        return min(max(0.0, wait.total_seconds()), LONGEST_WAIT)
    return None


def one_by_one(alerts: Sequence[Alert], deliver: Callable[[Alert], Result]) -> list[Result]:
    """The answer for each alert, delivered in order; behind the first `retry` none is tried, so that order is kept."""
    results: list[Result] = []
    for alert in alerts:
        result = deliver(alert)
        results.append(result)
        if result.outcome == "retry":
            why = harmless(f"not tried, since an earlier alert failed: {result.why}", SAID)
            return results + [Result("retry", why, result.after)] * (len(alerts) - len(results))
    return results
