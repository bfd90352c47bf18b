"""Who may be refused, for how long, and for which classes of findings that was approved beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

from alerting.matching import Condition
from alerting.response.outside import Action
from stream.control import Deny
from stream.errors import RejectedError
from stream.finding import Class

HOUR: Final = 3600.0
PRINCIPAL: Final = frozenset({"user", "client", "agent", "tenant"})
"""Keys that name somebody, which only a verified identity may do."""
SUBJECTS: Final = (*sorted(PRINCIPAL), "token", "source_ip", "target", "server")
"""What middleware and proxies can refuse."""
_BROAD: Final = frozenset({"server", "tenant"})
_OWN: Final = frozenset({"token", "source_ip"})
"""What a caller shows without being named."""
_LONGEST_VALUE: Final = 1024


@dataclass(frozen=True, slots=True)
class Approval:
    """Containment that was approved beforehand for some classes of findings.

    The first of `deny` that is known and may be refused is, for so many seconds, of at most `most` subjects at a time;
    `dry_run` only writes down what would have been done. `actions` are done elsewhere for whoever is refused, by name,
    so that they keep the same limits, and are taken back when the denial ends.
    """

    classes: tuple[Class, ...]
    deny: tuple[str, ...]
    seconds: float = HOUR
    most: int = 3
    dry_run: bool = False
    actions: tuple[tuple[str, Action], ...] = ()


@dataclass(frozen=True, slots=True)
class Containment:
    """The limits of refusing: never these, at most so many at a time, no longer than so many seconds.

    `networks` are sources that are never refused, as CIDR.
    """

    never: tuple[Condition, ...] = ()
    networks: tuple[str, ...] = ()
    most: int = 50
    longest: float = 7 * 24 * HOUR
    approvals: tuple[Approval, ...] = ()

    def approval(self, class_: Class) -> int | None:
        """The place of the first approval for a class."""
        return next((at for at, one in enumerate(self.approvals) if class_ in one.classes), None)


def check(deny: Deny, rules: Containment, *, tenant: str | None, standing: int, automatic: int = 0) -> None:
    """Whether a subject may be refused; raises RejectedError saying why not and what to do.

    `tenant` is the incident's, `standing` how many denials hold already, and `automatic` how many of them were made
    under the same approval. What the configuration never allows cannot be forced.
    """
    subject = dict(deny.subject)
    if not subject or len(subject) != len(deny.subject) or not subject.keys() <= set(SUBJECTS):
        raise RejectedError("a denial names whom to refuse", hint=f"--deny KEY=VALUE with {', '.join(SUBJECTS)}")
    if any(not value.strip() or len(value) > _LONGEST_VALUE for value in subject.values()):
        raise RejectedError("a value of the denial is empty or too long", hint="--deny source_ip=203.0.113.9")
    if deny.until <= deny.at:
        raise RejectedError("the denial would end before it begins", hint="--for 4h")
    if deny.until - deny.at > rules.longest:
        hours = rules.longest / HOUR
        raise RejectedError(
            f"a denial lasts {hours:.0f} hours at most", hint="it can be made again, or revoke at the issuer"
        )
    if standing >= rules.most:
        raise RejectedError(
            f"{standing} denials hold already", hint="lift some (`tocsin contain list`), or raise alerting.containment"
        )
    check_never(subject, rules, tenant)
    if not deny.forced and subject.keys() <= _BROAD:
        raise RejectedError(
            "that would cut off everybody there", hint="add a source, token, tool or caller, or force it with a reason"
        )
    if not deny.forced and names_somebody(subject) and deny.identity != "verified":
        known = f"is {deny.identity}" if deny.identity else "is not known to be verified"
        raise RejectedError(
            f"the identity {known}: anybody could have named the victim",
            hint="deny the token or the source instead, or force it with a reason",
        )
    if deny.automatic:
        _approved(deny, rules, automatic)


def check_action(used: Mapping[str, str], rules: Containment) -> None:
    """Whether something elsewhere may be done with these facts of an incident and `value`, the operator's own word.

    Raises RejectedError where one of them is what is never refused here: it is not to be cut off elsewhere either.
    """
    check_never({key: used[key] for key in SUBJECTS if key in used}, rules, used.get("tenant"))
    for condition in rules.never:
        if "value" in used and condition.holds({condition.key: (used["value"],)}):
            raise RejectedError(f"{condition} is never refused (alerting.containment.never)")


def names_somebody(subject: Mapping[str, str]) -> bool:
    """Whether it names somebody whom others could have named too; a tenant beside a source or token only narrows it."""
    named = subject.keys() & PRINCIPAL
    return bool(named - {"tenant"}) or (bool(named) and not subject.keys() & _OWN)


def shown(subject: Sequence[tuple[str, str]]) -> str:
    """A subject in words."""
    return " and ".join(f"{key}={value}" for key, value in subject)


def check_never(subject: Mapping[str, str], rules: Containment, tenant: str | None) -> None:
    """Raises RejectedError naming the condition or network by which a subject is never refused."""
    have = {key: (value,) for key, value in subject.items()}
    if tenant is not None and names_somebody(subject):
        have.setdefault("tenant", (tenant,))
    for condition in rules.never:
        if condition.holds(have):
            raise RejectedError(f"{condition} is never refused (alerting.containment.never)")
    source = subject.get("source_ip")
    if source is None:
        return
    try:
        address = ip_address(source)
    except ValueError:
        raise RejectedError(f"'{source[:40]}' is no address", hint="--deny source_ip=203.0.113.9") from None
    for network in rules.networks:
        if address in ip_network(network):
            raise RejectedError(f"{network} is never refused (alerting.containment.never_networks)")


def _approved(deny: Deny, rules: Containment, automatic: int) -> None:
    place = next((at for at, one in enumerate(rules.approvals) if deny.automatic in one.classes), None)
    if place is None or deny.forced:
        raise RejectedError(f"nobody approved beforehand that {deny.automatic} is contained")
    if automatic >= rules.approvals[place].most:
        raise RejectedError(
            f"{automatic} were refused under this approval already", hint="a person decides about more of them"
        )
