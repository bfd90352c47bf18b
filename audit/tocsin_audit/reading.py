"""The readable side of one HTTP exchange: its requests, its answers, and what the HTTP layer said."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tocsin_audit.exchange import Exchange, InnerCall, headers_of
from tocsin_audit.ownership import header_text
from tocsin_audit.text import clean
from tocsin_audit.typed import params_of
from tocsin_audit.wire import SseTap, messages, plain, session_in

META: Final = "io.modelcontextprotocol/"
STATELESS: Final = "2026-07-28"
_NO_BATCHES: Final = "2025-06-18"
_MOST_BATCH: Final = 1000
_METHOD: Final = re.compile(rb'"method"\s*:\s*"([^"\\]{1,128})"')


class Reading:
    """The readable side of one HTTP exchange."""

    def __init__(self, exchange: Exchange) -> None:
        scope = exchange.scope
        assert scope is not None
        self.exchange = exchange
        self.headers = headers_of(scope.get("headers", []))
        self.response_headers = headers_of(exchange.response_headers)
        self.challenge = self.response_headers.get("www-authenticate", "")[:2048]
        bodies = exchange.request.bodies()
        self.body_seen = bool(bodies)
        found = messages(bodies[0]) if bodies else None
        self._malformed = bool(bodies) and found is None
        self.requests = found or []
        if not self.requests and exchange.inner:
            self.requests = [request_of_inner(call) for call in exchange.inner.values()]
        if not self.requests and (method := self._method_unread()) is not None:
            self.requests = [{"method": method, "id": None}]
        # Posted responses answer the server's own requests; they are no requests of the client.
        self.replies = [one for one in self.requests if "method" not in one and ("result" in one or "error" in one)]
        self.requests = [request for request in self.requests if "method" in request]
        self._beyond = max(0, len(self.requests) - _MOST_BATCH)
        self.requests = self.requests[:_MOST_BATCH]
        self._batch = bool(bodies) and bodies[0].lstrip()[:1] == b"["
        params = self.requests[0].get("params") if self.requests else None
        opening: Mapping[str, Any] = params if isinstance(params, dict) else {}
        meta = opening.get("_meta")
        self.meta: Mapping[str, Any] = meta if isinstance(meta, dict) else {}
        version = self.headers.get("mcp-protocol-version") or self.meta.get(f"{META}protocolVersion")
        self.protocol = clean(version or opening.get("protocolVersion"), 32)
        self.client_info = self.meta.get(f"{META}clientInfo") or opening.get("clientInfo")
        self.header_method = clean(self.headers.get("mcp-method"), 128)
        session = self.headers.get("mcp-session-id")
        asked = _session_asked(scope) if not session else None
        self.older = asked is not None
        session = session or asked
        self.session = session if session and (self.protocol or "") < STATELESS else None
        self.capped = exchange.response.truncated
        self._read_answers()

    def _method_unread(self) -> str | None:
        """The method of a request whose body was not kept: by its header, else by the first place that names it."""
        if (named := self.headers.get("mcp-method")) is not None:
            return clean(named, 128)
        if self.exchange.request.truncated:
            match = _METHOD.search(b"".join(self.exchange.request.chunks))
            return match[1].decode("utf-8", "replace") if match is not None else None
        return None

    def _read_answers(self) -> None:
        self._answers: dict[str | None, tuple[Mapping[str, Any], int]] = {}
        self.text = ""
        stream = isinstance(self.exchange.response, SseTap)  # which was decoded as it passed
        encoding = "" if stream else self.response_headers.get("content-encoding", "")
        unnamed: list[tuple[Mapping[str, Any], int]] = []
        asked = {key_of(request.get("id")) for request in self.requests if "id" in request}
        self.foreign: tuple[Mapping[str, Any], int] | None = None
        self._doubled: set[str | None] = set()
        for body in self.exchange.response.bodies():
            text = plain(body, encoding)
            if text is None:
                self.capped = True
                continue
            found = messages(text)
            if found is None:
                self.text = text[:2000].decode("utf-8", "replace")
                continue
            for message in found:
                if "method" in message or not ("result" in message or "error" in message):
                    continue
                size = len(text) if len(found) == 1 else len(msgspec.json.encode(message))
                if (key := key_of(message.get("id"))) in asked:
                    if key in self._answers:
                        self._doubled.add(key)
                    self._answers.setdefault(key, (message, size))
                elif "error" in message:
                    unnamed.append((message, size))
                elif asked and self.body_seen:
                    self.foreign = (message, size)
        for key in asked - self._answers.keys():
            if unnamed:  # an error before the request was understood carries no id, or the server's own
                self._answers[key] = unnamed[0]
        self._unnamed = unnamed

    def request_of(self, call: InnerCall) -> Mapping[str, Any]:
        """The request that a call of the MCP layer serves."""
        for request in self.requests:
            if key_of(request.get("id")) == call.request_id and request.get("method") == call.method:
                return request
        return request_of_inner(call)

    def answer(self, request: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, int | None]:
        """The JSON-RPC response to a request and its size in bytes; of what was not readable the size alone."""
        if (known := self._answers.get(key_of(request.get("id")))) is not None:
            return known
        if not request and self._unnamed:
            return self._unnamed[0]
        response = self.exchange.response
        alone = len(self.requests) <= 1
        return None, response.seen if alone and response.seen and self.exchange.status is not None else None

    @property
    def answers(self) -> list[tuple[Mapping[str, Any], int]]:
        """Every response with its size in bytes."""
        return list(self._answers.values())

    def mixup_of(self, request: Mapping[str, Any]) -> str | None:
        """How the responses on this request's own stream do not belong to it."""
        key = key_of(request.get("id"))
        if key in self._doubled:
            return "double"
        return "foreign" if self.foreign is not None and (key not in self._answers or len(self.requests) == 1) else None

    @property
    def rejected(self) -> bool:
        """Whether the HTTP layer refused the request, or somebody else ended it."""
        status = self.exchange.status
        return self.exchange.denied is not None or (status is not None and status >= 400)

    @property
    def is_mcp(self) -> bool:
        """Whether a rejected request without a readable call was meant for an MCP endpoint."""
        status = self.exchange.status
        if self._malformed and self.exchange.status == 400:
            return bool(self._unnamed)
        marks = any(name.startswith("mcp-") for name in self.headers) or "resource_metadata" in self.challenge
        streams = "text/event-stream" in self.headers.get("accept", "")
        wrong_place = status in (404, 405, 406, 415) and not self._unnamed
        return (marks or streams or self.exchange.denied is not None) and not wrong_place

    @property
    def credentials(self) -> tuple[str | None, str | None]:
        """The scheme, in lower case, and the value of the Authorization header, or an API key."""
        value = self.headers.get("authorization", "").strip()
        if not value:
            key = self.headers.get("x-api-key", "").strip()
            return ("apikey", key) if key else (None, None)
        scheme, _, token = value.partition(" ")
        return scheme.lower(), token.strip() or None

    @property
    def misleading(self) -> str | None:
        """What the server let pass although it is no proper request: a batch, headers that disagree with the body."""
        if self._beyond:
            return f"a batch of {self._beyond + _MOST_BATCH}, of which the first {_MOST_BATCH} are told"
        if self._batch and (self.protocol or "") >= _NO_BATCHES:
            return f"a batch in {self.protocol}, which has none"
        if not self.requests or not self.body_seen or (self.protocol or "") < STATELESS:
            return None
        request = self.requests[0]
        if self.header_method is not None and self.header_method != request.get("method"):
            return "Mcp-Method header disagrees with the body"
        params = request.get("params")
        named = params.get("name", params.get("uri")) if isinstance(params, dict) else None
        if "mcp-name" in self.headers and named is not None and header_text(self.headers["mcp-name"]) != named:
            return "Mcp-Name header disagrees with the body"
        return None


def _session_asked(scope: Mapping[str, Any]) -> str | None:
    """The session in the address of a post on the older transport."""
    query = scope.get("query_string")
    return session_in(query.decode("latin-1")) if query and scope.get("method") == "POST" else None


def request_of_inner(call: InnerCall) -> dict[str, Any]:
    """A call of the MCP layer as the request that it came in."""
    return {"method": call.method, "id": call.request_id, "params": params_of(call)}


def key_of(request_id: Any) -> str | None:
    """The id of a request in one form for both halves; null where it has none."""
    if isinstance(request_id, bool) or not isinstance(request_id, str | int | float):
        return None
    return str(request_id)
