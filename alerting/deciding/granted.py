"""Leave that the directory gives: which grant covers what a finding saw, also one that arrived after its use.

Detectors ask the directory of the moment, so that a use without a grant is found, and stays found. Where a version of
the directory with a grant for that very moment arrives later (a ticket that was filed too late), alerting hears of it
in the stream of findings, and the finding is **excepted**, with the grant and its ticket as the reason.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from alerting.incidents.family import PRINCIPAL
from stream.directory import Directory, Grant
from stream.facts import live
from stream.finding import Class, Finding
from tocsin_audit.event import rfc3339

EXCEPTED: Final[frozenset[Class]] = frozenset({"cross_tenant_read", "cross_tenant_denied"})
"""What a grant allows; a handle of another's, an answer that went astray and a canary are nobody's by leave."""


class Leave(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a directory says of leave: its grants, and who has the roles that some of them name."""

    grants: tuple[Grant, ...] = ()
    roles: dict[str, tuple[str, ...]] = {}

    def covering(self, finding: Finding) -> Grant | None:
        """The grant that covers the caller, the owner and the moment of a finding.

        The moment is that of its last event: what it began with has a finding of its own.
        """
        owner = finding.entity.get("resource_tenants")
        if finding.class_ not in EXCEPTED or owner is None:
            return None
        names: set[tuple[str, str]] = {(key, finding.entity[key]) for key in PRINCIPAL if key in finding.entity}
        names |= {("role", role) for key, name in list(names) for role in self.roles.get(f"{key}={name}", ())}
        for grant in self.grants:
            if grant.tenant in ("*", owner) and names & set(_of(grant)) and live(grant, finding.time):
                return grant
        return None

    def named_by(self, grants: Iterable[Grant]) -> list[str]:
        """Who is covered by some of its grants, by name or by role; each once."""
        wanted = {name for grant in grants for name in _of(grant)}
        direct = [name for key, name in sorted(wanted) if key != "role"]
        by_role = [
            who.partition("=")[2]
            for who, roles in self.roles.items()
            if any(("role", role) in wanted for role in roles)
        ]
        return list(dict.fromkeys([*direct, *by_role]))


def leave_of(directory: Directory) -> Leave:
    """What a version of the directory says of leave."""
    asked = {grant.role for grant in directory.grants if grant.role is not None}
    roles: dict[str, set[str]] = {}
    for principal in directory.principals:
        if principal.role in asked:
            for key in PRINCIPAL:
                if (name := getattr(principal, key)) is not None:
                    roles.setdefault(f"{key}={name}", set()).add(str(principal.role))
    return Leave(directory.grants, {who: tuple(sorted(names)) for who, names in sorted(roles.items())})


def since(before: Leave, after: Leave) -> list[Grant]:
    """The grants that say more than was known: new ones, and those of roles that other people have now."""
    known = set(before.grants)
    moved = before.roles != after.roles
    return [grant for grant in after.grants if grant not in known or (moved and grant.role is not None)]


def ticket(grant: Grant) -> str:
    """A grant as the reason of a decision: its ticket and when it holds; whom it is about stands in the finding."""
    role = f" of the role {grant.role}" if grant.role is not None else ""
    return f"grant {grant.ticket or 'without a ticket'}{role}{_span(grant)}"


def words(grant: Grant) -> str:
    """A grant in full: its ticket, who may touch whose data, and when."""
    who = ", ".join(f"{key} {name}" for key, name in _of(grant))
    whose = "every tenant" if grant.tenant == "*" else grant.tenant
    return f"grant {grant.ticket or 'without a ticket'}: {who} for {whose}{_span(grant)}"


def _span(grant: Grant) -> str:
    ends = (("from", grant.from_), ("until", grant.until))
    return "".join(f" {word} {rfc3339(at.timestamp())[:19]}Z" for word, at in ends if at is not None)


def _of(grant: Grant) -> list[tuple[str, str]]:
    return [(key, name) for key in (*PRINCIPAL, "role") if (name := getattr(grant, key)) is not None]


DECODER: Final = msgspec.json.Decoder(Leave)
ENCODER: Final = msgspec.json.Encoder()
