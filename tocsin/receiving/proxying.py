"""The proxy's server process."""

import logging
import os
import signal
import ssl
from pathlib import Path
from typing import Final

import uvicorn

from collector.identity.token import Verifier
from collector.proxy.app import Proxy
from collector.proxy.onlook import ProxyOnlooker
from tocsin.connections import protocol
from tocsin.receiving.enriching import CACHE, inspector_of
from tocsin.receiving.enriching import key_sets as issuer_keys
from tocsin.receiving.proxy_file import ProxySettings, loopback
from tocsin.secrecy.dumps import forbid
from tocsin.server import bound, load

LOG: Final = logging.getLogger("tocsin.proxy")
FIRST_FETCH: Final = 3.0
"""Seconds that the first token waits for its issuer's keys; nothing but its event waits with it."""
GRACE: Final = 5
"""Seconds that answers under way get at the end."""


def serve(settings: ProxySettings, events: Path | None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code.

    Raises ConfigError where a certificate is none, UnavailableError where nobody can listen there.
    """
    forbid()
    key_sets = issuer_keys(settings.issuers, settings.base, state_folder() / CACHE, wait=FIRST_FETCH)
    onlooker = ProxyOnlooker(inspector_of(settings.inspection), Verifier(key_sets))
    proxy = Proxy(
        settings.upstreams, events=events, trusted_proxies=settings.trusted_proxies or None, onlooker=onlooker
    )
    tls = settings.tls
    config = uvicorn.Config(
        proxy,
        ssl_certfile=str(tls.certificate) if tls is not None else None,
        ssl_keyfile=str(tls.key) if tls is not None else None,
        ssl_ca_certs=str(tls.clients) if tls is not None and tls.clients is not None else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if tls is not None and tls.clients is not None else ssl.CERT_NONE,
        http=protocol(settings.connections),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=75,
        h11_max_incomplete_event_size=64 * 1024,
    )
    load(config)
    # An answer that breaks off is told by the proxy itself, with its upstream.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    with bound(settings.host, settings.port) as listening:
        scheme = "https" if tls is not None else "http"
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        port = listening.getsockname()[1]
        for upstream in settings.upstreams:
            told = {"url": f"{scheme}://{upstream.host or name}:{port}{upstream.prefix}", "upstream": upstream.url}
            LOG.info("%s is reached through the proxy", upstream.server, extra=told)
        if not loopback(settings.host) and tls is None:
            LOG.warning("tokens and answers pass in the clear", extra={"listen": settings.host})
        server = uvicorn.Server(config)

        def end(*_: object) -> None:
            server.should_exit = True

        # uvicorn takes the signals over while it serves and raises them again afterwards.
        for told_by in (signal.SIGTERM, signal.SIGINT):
            signal.signal(told_by, end)
        server.run([listening])
    return 0 if server.started else 1


def state_folder() -> Path:
    """Where a program keeps what it may lose: the folder that the spool is in too."""
    given = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(given) if given else Path.home() / ".local" / "state") / "tocsin-audit"
