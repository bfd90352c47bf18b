"""Elasticsearch: findings and changes of incidents as ECS documents in `logs-tocsin.alert-<namespace>`."""

import logging
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final

import msgspec
from elasticsearch import Elasticsearch

from alerting.alert import Alert
from alerting.delivering.posting import trust
from alerting.matching import parse_all
from alerting.sink import DONE, PATH, Result
from alerting.sinks.elasticsearch.bulk import DOWN, existing, failure, send
from alerting.sinks.elasticsearch.documents import Document, documents
from alerting.sinks.elasticsearch.events import Events
from alerting.sinks.elasticsearch.templates import STREAM, install
from stream.errors import RejectedError
from tocsin_audit.text import clean

LOGGER: Final = logging.getLogger(__name__)
MALFORMED: Final = (AttributeError, KeyError, TypeError, ValueError)
"""What an answer of another shape than Elasticsearch's (a proxy's, half of one) raises on being read."""
FORBIDDEN: Final = frozenset('\\/*?"<>| ,#:-')
"""Characters that a data stream's namespace cannot have."""


class ElasticsearchOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the cluster is and who we are there."""

    url: str | tuple[str, ...]
    """The cluster's address, or a list of them."""
    api_key: str | None = None
    """The API key, encoded as Elasticsearch gives it."""
    username: str | None = None
    """A user, where there is no API key."""
    password: str | None = None
    """The user's password."""
    namespace: str = "default"
    """The last part of the data streams' names, in lower case and without dashes."""
    ca: Annotated[str | None, msgspec.Meta(extra=PATH)] = None
    """A PEM file with the authorities that the cluster's certificate is checked against, else the system's."""
    verify: bool = True
    """Whether the cluster's certificate is checked."""
    timeout: float = 10.0
    """Seconds to wait for an answer."""
    install_templates: bool = True
    """Whether Tocsin brings its own index templates; else they must be there."""
    events: tuple[str, ...] | None = None
    """Which events are sent, too: conditions that must all hold, such as `outcome!=ok` or `tenant=acme`; `[]` for all
    of them, none where it is left out."""

    def __post_init__(self) -> None:
        if not self.urls or not all(url.startswith(("http://", "https://")) for url in self.urls):
            raise ValueError("url must begin with https:// or http://")
        if self.api_key and self.username:
            raise ValueError("either api_key, or username and password, not both")
        if bool(self.username) != bool(self.password):
            raise ValueError("username and password go together")
        if not self.namespace or set(self.namespace) & FORBIDDEN or self.namespace != self.namespace.lower():
            raise ValueError(f"namespace {self.namespace!r} must be lower case without {''.join(sorted(FORBIDDEN))!r}")

        try:
            parse_all(self.events or ())
        except RejectedError as error:
            raise ValueError(f"events: {error.what} ({error.hint})") from error

    @property
    def urls(self) -> tuple[str, ...]:
        """All addresses, of which any will do."""
        return (self.url,) if isinstance(self.url, str) else self.url


class ElasticsearchSink:
    """Creates each document once under a deterministic id; attempts in doubt are looked up by id first.

    An alert is done when all its documents are there. The client's own retries are off, since it makes them without
    waiting: the outbox waits.
    """

    name: ClassVar[str] = "elasticsearch"
    pager: ClassVar[bool] = False
    Options: ClassVar[type] = ElasticsearchOptions

    def __init__(self, options: ElasticsearchOptions) -> None:
        self._namespace = options.namespace
        self._stream = f"{STREAM}-{options.namespace}"
        self._installed = not options.install_templates
        self._client = _client(options)

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        """Create the documents of the alerts that are not there yet."""
        prepared = [documents(alert, self._namespace) for alert in alerts]
        try:
            self._install()
            there, unsure = self._look_up(
                [
                    document.id
                    for alert, made in zip(alerts, prepared, strict=True)
                    if alert.id in in_doubt
                    for document in made
                ]
            )
        except DOWN as error:
            return [failure(error)] * len(alerts)
        except MALFORMED as error:
            why = clean(f"the answer makes no sense ({type(error).__name__}: {error})", 300) or ""
            return [Result("retry", why)] * len(alerts)
        wanted = [document for made in prepared for document in made if document.id not in there]
        results = dict.fromkeys(there, DONE) | send(self._client, self._stream, wanted)
        return [
            _of_alert(made, results, repeated=unsure and alert.id in in_doubt)
            for alert, made in zip(alerts, prepared, strict=True)
        ]

    def close(self) -> None:
        """Give back connections."""
        self._client.close()

    def _install(self) -> None:
        if not self._installed:
            if obstacle := install(self._client):
                LOGGER.warning("%s; documents go where the cluster's own templates put them", obstacle)
            self._installed = True

    def _look_up(self, ids: list[str]) -> tuple[set[str], bool]:
        """The ids that are there, and whether we were not allowed to look."""
        try:
            return existing(self._client, self._stream, ids), False
        except DOWN as error:
            if getattr(error, "status_code", None) == 403:
                return set(), True
            raise


def _of_alert(made: Sequence[Document], results: dict[str, Result], *, repeated: bool) -> Result:
    """The worst of an alert's documents: one to be tried again before one refused before all done."""
    found = [results[document.id] for document in made]
    for outcome in ("retry", "refused"):
        if bad := next((result for result in found if result.outcome == outcome), None):
            return bad
    return Result("done", repeated=True) if repeated else DONE


def event_sender(options: ElasticsearchOptions) -> Events:
    """What sends events to the same cluster, with connections of its own."""
    return Events(_client(options), options.namespace, install_templates=options.install_templates)


def _client(options: ElasticsearchOptions) -> Elasticsearch:
    return Elasticsearch(
        list(options.urls),
        api_key=options.api_key,
        basic_auth=(options.username, options.password) if options.username and options.password else None,
        request_timeout=options.timeout,
        max_retries=0,
        retry_on_timeout=False,
        **_trust(options),
    )


def _trust(options: ElasticsearchOptions) -> dict[str, Any]:
    """Whom to believe: the given authority, else the system's."""
    if not any(url.startswith("https://") for url in options.urls):
        return {}
    if not options.verify:
        return {"verify_certs": False, "ssl_show_warn": False}
    return {"ssl_context": trust(options.ca)}


SINK: Final = ElasticsearchSink
