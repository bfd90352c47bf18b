"""The operator's side of `/api/v1`: what the commands speak to a running Tocsin with."""

import json
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx

from stream.errors import RejectedError, UnavailableError
from tocsin.config.whole import Loaded, load_config

TOKEN_FILE: Final = "token"  # noqa: S105  # the name of the file, not a token
TIMEOUT: Final = 30.0


class Client:
    """A running Tocsin, as an operator sees it.

    Raises UnavailableError where it does not answer and RejectedError for what it refuses.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._http = httpx.Client(
            base_url=f"{url}/api/v1",
            headers={"authorization": f"Bearer {token}"},
            timeout=TIMEOUT,
            verify=_context(),
            # A command asks once or twice, and leaves nothing open.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def get(self, path: str, **query: Any) -> Any:
        """Ask for something."""
        wanted = {key: value for key, value in query.items() if value is not None}
        return self._answer("GET", path, params=wanted)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Have something done."""
        return self._answer("POST", path, json=body)

    def fetch(self, path: str, **query: Any) -> httpx.Response:
        """Ask for something that is no JSON."""
        wanted = {key: value for key, value in query.items() if value is not None}
        return self._sent("GET", path, params=wanted)

    def lines(self, path: str, body: dict[str, Any] | None = None) -> Iterator[Any]:
        """Ask for something that comes line by line; with a body have something done that tells of itself so."""
        method = "GET" if body is None else "POST"
        try:
            with self._http.stream(method, path, json=body, timeout=httpx.Timeout(TIMEOUT, read=None)) as answer:
                if not answer.is_success:
                    answer.read()
                    raise self._refusal(answer, path)
                for line in answer.iter_lines():
                    yield json.loads(line)
        except httpx.ConnectError as error:
            raise self._unreachable(error) from error
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"Tocsin stopped answering ({error})", where=self.url, hint="ask again; is it still running?"
            ) from error

    def close(self) -> None:
        """Give back the connection."""
        self._http.close()

    def _answer(self, method: str, path: str, **request: Any) -> Any:
        return self._sent(method, path, **request).json()

    def _sent(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if answer.is_success:
            return answer
        raise self._refusal(answer, path)

    def _unreachable(self, error: httpx.HTTPError) -> UnavailableError:
        return UnavailableError(
            f"no Tocsin answers ({error})", where=self.url, hint="is `tocsin run` running, with this configuration?"
        )

    def _refusal(self, answer: httpx.Response, path: str) -> RejectedError:
        try:
            told = answer.json()
        except ValueError:
            told = {}
        return RejectedError(
            str(told.get("error", f"HTTP {answer.status_code}")),
            where=f"{self.url}{path}",
            hint=str(told.get("hint", "")),
        )


def _context() -> ssl.SSLContext:
    """Trust as the platform and SSL_CERT_FILE say; TOCSIN_CERT is a PEM file of our own certificate and its key."""
    context = ssl.create_default_context()
    if own := os.environ.get("TOCSIN_CERT"):
        context.load_cert_chain(own)
    return context


def connect(config: Path | None, data: Path | None) -> Client:
    """A client for the Tocsin of this configuration, by TOCSIN_URL and TOCSIN_TOKEN or its data directory's token file.

    Raises UnavailableError where there is no token to be had.
    """
    loaded = load_config(config)
    url = os.environ.get("TOCSIN_URL") or base_url(loaded)
    token = os.environ.get("TOCSIN_TOKEN")
    if token is None:
        path = (data or loaded.path(loaded.config.data)) / TOKEN_FILE
        try:
            token = path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise UnavailableError(
                f"the token file cannot be read ({error.strerror})",
                where=str(path),
                hint="name the data directory of the running Tocsin with --data, or set TOCSIN_TOKEN",
            ) from error
    return Client(url, token)


def base_url(loaded: Loaded, port: int | None = None) -> str:
    """Where the Tocsin of a configuration listens; with a port, the one that it really got."""
    listen = loaded.config.listen
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    if host in ("0.0.0.0", "[::]"):  # noqa: S104  # compared with, not bound to
        host = "127.0.0.1"
    return f"{'https' if listen.tls else 'http'}://{host}:{port or listen.port}"
