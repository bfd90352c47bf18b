"""What the proxy adds to the middleware's events: signals of the content that passes, and tokens that were checked."""

from collections.abc import Mapping
from typing import Any

from collector.enrich import SEEN
from collector.identity.token import Verifier
from collector.inspection.content import Content
from collector.inspection.inspector import Inspector
from collector.rewrite import parts, raw
from tocsin_audit.event import AuditEvent


class ProxyOnlooker:
    """Looks into content and checks tokens; called by the recorder's thread, so no request waits for it."""

    def __init__(self, inspector: Inspector | None, verifier: Verifier) -> None:
        self._inspector = inspector
        self._verifier = verifier

    def claims(self, token: str, server: str, now: float) -> Mapping[str, Any] | None:
        """The claims of a token that holds."""
        return self._verifier.claims(token, server, now)

    def look(self, event: AuditEvent, arguments: Any, result: Mapping[str, Any] | None) -> None:
        """Add the signals of what was asked and answered, and where they were."""
        if self._inspector is None:
            return
        listed = result.get("tools") if result is not None and event.method == "tools/list" else None
        content = Content(arguments, None if listed is not None else result, listed)
        found = self._inspector.inspect(content)
        signals = found.signals
        if event.method == "resources/read" and event.target is not None:
            signals += self._inspector.target(event.target)
        event.signals = tuple(dict.fromkeys((*event.signals, *signals)))
        where: dict[str, Any] = {each.name: each.path for each in found.seen if each.path}
        if where or found.cut:
            rest: dict[str, Any] = dict(parts(event.ext)) if event.ext else {}
            rest[SEEN] = {**where, "cut": True} if found.cut else where
            event.ext = raw(rest)
