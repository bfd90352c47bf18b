"""Privacy: what becomes of each field before an event is stored."""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import re2

from collector.privacy.keys import Vault, hidden
from tocsin_audit.event import AuditEvent
from tocsin_audit.text import clean_error

Policy = Literal["keep", "clean", "drop", "hash", "seal", "alias"]

FIELDS: Final = (
    *("error", "reason", "user", "client", "agent", "on_behalf_of", "source_ip", "user_agent", "origin", "target"),
    *("session", "client_version", "audience", "args_keys", "approval", "request_id", "recipients", "scopes"),
)
"""Fields that a policy may be said for."""
DEFAULTS: Final[Mapping[str, Policy]] = {"error": "clean", "reason": "clean"}
KEYED: Final = frozenset({"hash", "seal", "alias"})
"""Policies that need a key."""

_EMAIL: Final = re2.compile(r"(?i)\b[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,6}[a-z]{2,24}\b")
_PATH: Final = re2.compile(
    r"(?:\b[A-Za-z]:\\[^\s'\"<>|:*?]+|(?:^|[\s'\"(=\[:])(?:file://)?/(?:[\w.@%+~-]+/)+[\w.@%+~-]*)"
)
_FIRST: Final = re.compile(r"^[\s'\"(=\[:]")
_SUSPECT: Final = re.compile(r"[@/\\]|[\w+/=-]{24}|input_value|(?i:bearer|basic|token|secret|password)")
_ASSIGNED: Final = re2.compile(
    r"(?i)\b(api[_-]?key|secret|token|passw(?:or)?d|pwd|authorization)(\"?'?\s*[:=]\s*)[^\s,;&]{4,}"
)
# What our own deny list says of itself, and the names of incidents, are nobody's data.
_OURS: Final = "tocsin.denied:"


class Privacy:
    """The policies of all fields; `vault` is needed where one of them hides something."""

    def __init__(self, policies: Mapping[str, Policy] = DEFAULTS, vault: Vault | None = None) -> None:
        """Raises ValueError where a policy needs a key and there is none."""
        self._policies = {**DEFAULTS, **policies}
        self._vault = vault
        keyed = [field for field, policy in self._policies.items() if policy in KEYED]
        if keyed and vault is None:
            raise ValueError(f"{', '.join(keyed)} cannot be hidden without a key")
        self._cleaned = [field for field, policy in self._policies.items() if policy == "clean"]
        self._others = [(f, p) for f, p in self._policies.items() if p not in ("clean", "keep")]

    @property
    def hides(self) -> bool:
        """Whether there is more to do than to clean what may hold a person's words."""
        return bool(self._others)

    def changes(self, event: AuditEvent) -> dict[str, Any]:
        """What becomes of an event's fields; nothing where all stay as they are."""
        found: dict[str, Any] = {}
        for field in self._cleaned:
            value = getattr(event, field)
            if isinstance(value, str) and (masked := mask(value)) != value:
                found[field] = masked
        for field, policy in self._others:
            value = getattr(event, field)
            if value is None or value == ():
                continue
            if policy == "drop":
                found[field] = None
            elif isinstance(value, tuple):
                new = tuple(self._hidden(field, policy, item) for item in value)
                if new != value:
                    found[field] = new
            elif (made := self._hidden(field, policy, str(value))) != value:
                found[field] = made
        return found

    def _hidden(self, field: str, policy: Policy, value: str) -> str:
        vault = self._vault
        assert vault is not None
        if hidden(value):
            return value
        if policy == "seal":
            return vault.seal(field, value)
        return vault.alias(field, value) if policy == "alias" else vault.hash(value)


def mask(text: str) -> str:
    """A text without credentials, addresses of people and paths of files, its words kept."""
    if _SUSPECT.search(text) is None or text.startswith(_OURS):
        return text
    # RE2 reads UTF-8, which has no halves of pairs.
    text = text.encode("utf-8", "replace").decode()
    text = _ASSIGNED.sub(r"\1\2[removed]", text)
    text = clean_error(text, 1024) or ""
    text = _EMAIL.sub("[email]", text)
    return str(_PATH.sub(_path, text))


def _path(match: Any) -> str:
    before = _FIRST.match(match.group())
    return f"{before.group() if before is not None else ''}[path]"
