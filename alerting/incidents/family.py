"""Families: classes of findings that are one matter, and what a matter is about."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from stream.finding import Class, Finding

Family = Literal[
    "auth",
    "token",
    "service",
    "recon",
    "volume",
    "tenant",
    "policy",
    "tool",
    "content",
    "change",
    "novelty",
    "rate",
    "outlier",
    "coverage",
    "rule",
    "drill",
]

FAMILIES: Final[dict[Class, Family]] = {
    "brute": "auth",
    "spray": "auth",
    "stuffing": "auth",
    "success_after": "auth",
    "unauthenticated": "auth",
    "token_replay": "token",
    "token_hygiene": "token",
    "retry_storm": "service",
    "outage": "service",
    "scope_probing": "recon",
    "enumeration": "recon",
    "volume_burst": "volume",
    "volume_slow": "volume",
    "cross_tenant_read": "tenant",
    "cross_tenant_denied": "tenant",
    "cross_tenant_handle": "tenant",
    "cross_tenant_leak": "tenant",
    "canary": "tenant",
    "mixup": "tenant",
    "policy": "policy",
    "tool_drift": "tool",
    "tool_poisoning": "tool",
    "injection": "content",
    "toxic_flow": "content",
    "secret_exposure": "content",
    "path_traversal": "content",
    "privilege_change": "change",
    "config_change": "change",
    "novelty": "novelty",
    "rate_abuse": "rate",
    "outlier": "outlier",
    "audit_gap": "coverage",
    "sigma": "rule",
    "drill": "drill",
}

CROSS_TENANT_SUCCESS: Final[frozenset[Class]] = frozenset(
    {"cross_tenant_read", "cross_tenant_handle", "cross_tenant_leak", "canary", "mixup"}
)
"""Data of one tenant reached another: no budget delays it."""
NEVER_SILENT: Final[frozenset[Class]] = CROSS_TENANT_SUCCESS | {"success_after"}
"""Classes that a silence or an exception covers only where it is forced."""

PRINCIPAL: Final = ("user", "client", "agent")
LEARNED: Final = ("server", "resource_tenants")
"""What a reading caller's finding names beside the caller where the owner was learned: the server, and the owner."""

_ABOUT: Final[dict[Family, tuple[str, ...]]] = {
    "auth": (*PRINCIPAL, "token", "source_ip", "server", "tenant"),
    "token": ("token", *PRINCIPAL, "source_ip"),
    "service": (*PRINCIPAL, "token", "source_ip", "server", "tenant"),
    "recon": (*PRINCIPAL, "token", "source_ip", "server"),
    "volume": (*PRINCIPAL, "token", "source_ip", "server", "tenant"),
    "tenant": (*PRINCIPAL, "token", "source_ip", "server"),
    "policy": (*PRINCIPAL, "token", "source_ip", "server"),
    "tool": ("server", "target"),
    "content": (*PRINCIPAL, "token", "source_ip", "server"),
    "change": (*PRINCIPAL, "server", "source_ip"),
    "novelty": (*PRINCIPAL, "server", "source_ip"),
    "rate": (*PRINCIPAL, "token", "source_ip", "server", "tenant"),
    "outlier": (*PRINCIPAL, "server"),
    "coverage": ("producer", "server"),
    "rule": (*PRINCIPAL, "token", "source_ip", "server", "producer"),
    "drill": (*PRINCIPAL, "token", "source_ip", "server"),
}
"""What a family is about: the first of these keys that the finding's entity has."""


class Subject(NamedTuple):
    """The entity that a family is about: one event field and its value."""

    key: str
    value: str


def family(class_: Class) -> Family:
    """The family of a class."""
    return FAMILIES[class_]


def learned(finding: Finding) -> bool:
    """Whether a caller was given what by its use belongs to another tenant."""
    entity = finding.entity
    return finding.class_ == "cross_tenant_read" and all(map(entity.get, LEARNED)) and any(map(entity.get, PRINCIPAL))


def subject(finding: Finding) -> Subject:
    """The entity that the finding's family is about.

    Who was given what by its use belongs to another tenant (`LEARNED`) is not what it is about: when a project moves,
    all its users are, and the matter is that something of one tenant, on one server, is now another's. Where the entity
    has none of the family's keys the whole entity stands for it, and where it is empty the finding alone does, since a
    null key never groups strangers.
    """
    entity = finding.entity
    if learned(finding):
        return _whole([(key, entity[key]) for key in LEARNED])
    for key in _ABOUT[FAMILIES[finding.class_]]:
        if value := entity.get(key):
            return Subject(key, value)
    rest = sorted(item for item in entity.items() if item[1])
    if not rest:
        return Subject("finding", finding.id)
    return _whole(rest)


def _whole(items: Sequence[tuple[str, str]]) -> Subject:
    """Several keys that stand for a subject together."""
    if len(items) == 1:
        return Subject(*items[0])
    return Subject("+".join(key for key, _ in items), "".join(f"{len(value)}:{value}" for _, value in items))
