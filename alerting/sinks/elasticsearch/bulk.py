"""Sending documents in bulk and reading what became of each: Elasticsearch answers 200 even where it kept none."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from elasticsearch import ApiError, BadRequestError, Elasticsearch, TransportError

from alerting.delivering.posting import retry_after
from alerting.sink import DONE, Result
from alerting.sinks.elasticsearch.documents import Document
from tocsin_audit.text import clean

COUNT: Final = 500
"""Documents in one request at most."""
BYTES: Final = 5 * 1024 * 1024
"""Bytes in one request at most, unless a single document is larger."""
LOOKED_UP: Final = 500
"""Ids in one search at most."""
PASSING: Final = frozenset({401, 403, 404, 408, 429})
"""Client errors that time or an operator can mend: credentials, blocks, a missing template, pressure."""

DOWN = (TransportError, ApiError)
"""What the client raises when a request as a whole did not succeed."""


def send(client: Elasticsearch, stream: str, documents: Sequence[Document]) -> dict[str, Result]:
    """Create each document once and say for each what became of it; never raises for what the service did.

    A document that is there already is done. Once a request fails as a whole, the rest is not tried.
    """
    results: dict[str, Result] = {}
    for part in parts(documents):
        results |= _send_part(client, stream, part)
        if any(result.outcome == "retry" for result in results.values()):
            break
    waiting = Result("retry", "not tried, since an earlier request failed")
    return {document.id: results.get(document.id, waiting) for document in documents}


def parts(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """Cut documents into requests, each id once."""
    unique = {document.id: document for document in documents}
    part: list[Document] = []
    size = 0
    for document in unique.values():
        length = len(msgspec.json.encode(document.body))
        if part and (len(part) >= COUNT or size + length > BYTES):
            yield part
            part, size = [], 0
        part.append(document)
        size += length
    if part:
        yield part


def existing(client: Elasticsearch, stream: str, ids: Sequence[str]) -> set[str]:
    """Which of these ids are in the data stream, whichever of its backing indices holds them.

    `create` refuses an id only within the index that is being written to, so after a rollover it has to be searched.
    Raises what the client raises where the search is not complete.
    """
    found: set[str] = set()
    if not ids:
        return found
    client.indices.refresh(index=stream, ignore_unavailable=True, allow_no_indices=True)
    for start in range(0, len(ids), LOOKED_UP):
        answer = client.search(
            index=stream,
            query={"ids": {"values": list(ids[start : start + LOOKED_UP])}},
            source=False,
            size=10 * LOOKED_UP,
            allow_partial_search_results=False,
            ignore_unavailable=True,
            allow_no_indices=True,
        )
        found.update(hit["_id"] for hit in answer["hits"]["hits"])
    return found


def item_result(item: Any) -> Result:
    """What one item of a bulk answer says."""
    status = item.get("status") if isinstance(item, dict) else None
    if not isinstance(status, int):
        return Result("retry", "the answer lacks this document")
    if status == 409 or 200 <= status < 300:
        if item.get("failure_store") == "used":
            return Result("refused", "rejected by the mapping and put into the failure store")
        return DONE
    error = item.get("error")
    why = f"HTTP {status}: {reason(error)}"
    return Result("retry" if status in PASSING or status >= 500 else "refused", why)


def reason(error: Any) -> str:
    """An error's type and reason with its innermost cause, as one cleaned sentence."""
    said: list[str] = []
    while isinstance(error, dict) and len(said) < 4:
        said.append(f"{error.get('type')}: {error.get('reason')}")
        error = error.get("caused_by")
    if isinstance(error, str) and not said:
        said.append(error)
    return clean("; ".join(said), 500) or "no reason given"


def failure(error: TransportError | ApiError) -> Result:
    """A request that failed as a whole: worth another try, after what `Retry-After` says."""
    if isinstance(error, ApiError):
        body = error.body
        text = reason(body.get("error")) if isinstance(body, dict) else clean(str(body), 200)
        return Result("retry", f"HTTP {error.status_code}: {text or error.message}", retry_after(error.meta.headers))
    return Result("retry", clean(f"{type(error).__name__}: {error.message}", 300) or type(error).__name__)


def _send_part(client: Elasticsearch, stream: str, part: list[Document]) -> dict[str, Result]:
    operations: list[dict[str, Any]] = []
    for document in part:
        operations += ({"create": {"_id": document.id}}, document.body)
    try:
        answer = client.bulk(
            index=stream, operations=operations, require_data_stream=True, include_source_on_error=False
        )
    except ApiError as error:
        if error.status_code == 413 or isinstance(error, BadRequestError):
            return _send_halves(client, stream, part, error)
        return dict.fromkeys((document.id for document in part), failure(error))
    except TransportError as error:
        return dict.fromkeys((document.id for document in part), failure(error))
    items = answer.body.get("items") if isinstance(answer.body, dict) else None
    items = items if isinstance(items, list) and len(items) == len(part) else [{}] * len(part)
    return {
        document.id: item_result(item.get("create") if isinstance(item, dict) else None)
        for document, item in zip(part, items, strict=True)
    }


def _send_halves(client: Elasticsearch, stream: str, part: list[Document], error: ApiError) -> dict[str, Result]:
    """Find out which document a request was refused for, or make requests that are small enough."""
    if len(part) == 1:
        return {part[0].id: Result("refused", failure(error).why)}
    half = len(part) // 2
    return _send_part(client, stream, part[:half]) | _send_part(client, stream, part[half:])
