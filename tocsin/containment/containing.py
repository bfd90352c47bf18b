"""From what the configuration says of containment to the limits, approvals and actions that alerting knows."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from ipaddress import ip_network
from typing import Final, TypeVar

from alerting.matching import Condition, parse
from alerting.response import outside
from alerting.response.containment import Approval, Containment
from stream.errors import ConfigError, RejectedError
from stream.finding import CLASSES
from tocsin.config import response as said
from tocsin.config.faults import Fault, FaultsError, did_you_mean
from tocsin.config.options import read_secret
from tocsin.config.whole import Loaded
from tocsin.moments import duration

_AT: Final = ("alerting", "containment")
T = TypeVar("T")


def containment_of(loaded: Loaded, faults: list[Fault]) -> Containment:
    """The limits of refusing; adds every fault of them."""
    section = loaded.config.alerting.containment
    faults += _faults(loaded, section)
    never: list[Condition] = []
    for number, text in enumerate(section.never):
        try:
            never.append(parse(text))
        except RejectedError as error:
            faults.append(loaded.fault((*_AT, "never", number), error.what, error.hint))
    actions = _actions(loaded, section) if any(one.actions for one in section.automatic) else {}
    approvals = tuple(
        Approval(
            classes=tuple(class_ for class_ in CLASSES if class_ in one.classes),
            deny=one.deny,
            seconds=duration(one.length) or 0.0,
            most=one.most,
            dry_run=one.dry_run,
            actions=tuple((name, action) for name in one.actions if (action := actions.get(name)) is not None),
        )
        for one in section.automatic
    )
    return Containment(
        never=tuple(never),
        networks=section.never_networks,
        most=section.most,
        longest=duration(section.longest) or 0.0,
        approvals=approvals,
    )


def action_of(loaded: Loaded, name: str) -> outside.Action:
    """A configured action with its secrets; raises RejectedError where there is none, FaultsError for a secret."""
    action = _named("action", name, loaded.config.alerting.containment.actions)
    secrets = {
        key: read_secret(loaded, (*_AT, "actions", name, "secrets", key), secret)
        for key, secret in action.secrets.items()
    }
    return outside.Action(
        do=_template(action.do),
        verify=_template(action.verify) if action.verify is not None else None,
        undo=_template(action.undo) if action.undo is not None else None,
        secrets=secrets,
        seconds=action.seconds,
        role=action.role,
        tenants=action.tenants,
    )


def issuer_of(loaded: Loaded, name: str) -> outside.Issuer:
    """A configured issuer with its secret; raises as `action_of` does."""
    issuer = _named("issuer", name, loaded.config.alerting.containment.issuers)
    secret = read_secret(loaded, (*_AT, "issuers", name, "client_secret"), issuer.client_secret)
    return outside.Issuer(issuer.revoke, issuer.client_id, secret, issuer.introspect, issuer.role, issuer.tenants)


def _actions(loaded: Loaded, section: said.Containment) -> dict[str, outside.Action]:
    """Every action whose secrets can be read; the others are faults anyway."""
    found = {}
    for name in section.actions:
        with suppress(FaultsError):
            found[name] = action_of(loaded, name)
    return found


def _faults(loaded: Loaded, section: said.Containment) -> Iterable[Fault]:
    for number, network in enumerate(section.never_networks):
        try:
            ip_network(network)
        except ValueError as error:
            yield loaded.fault((*_AT, "never_networks", number), str(error), "such as 10.0.0.0/8")
    longest = duration(section.longest) or 0.0
    for number, approval in enumerate(section.automatic):
        for class_ in approval.classes:
            if class_ not in CLASSES:
                what = f"there is no class '{class_}'"
                yield loaded.fault((*_AT, "automatic", number, "class"), what, did_you_mean(class_, CLASSES))
        for name in approval.actions:
            if name not in section.actions:
                what, hint = f"there is no action '{name[:40]}'", did_you_mean(name, section.actions)
                yield loaded.fault((*_AT, "automatic", number, "actions"), what, hint)
        if not 0 < (duration(approval.length) or 0.0) <= longest:
            yield loaded.fault((*_AT, "automatic", number, "for"), f"must be within {section.longest}")
    for name, action in section.actions.items():
        for part in ("do", "verify", "undo"):
            if (request := getattr(action, part)) is None:
                continue
            try:
                outside.check_template(_template(request))
            except ConfigError as error:
                yield loaded.fault((*_AT, "actions", name, part), error.what, error.hint)
        for key, secret in action.secrets.items():
            try:
                read_secret(loaded, (*_AT, "actions", name, "secrets", key), secret)
            except FaultsError as error:
                yield from error.faults
    for name, issuer in section.issuers.items():
        try:
            read_secret(loaded, (*_AT, "issuers", name, "client_secret"), issuer.client_secret)
        except FaultsError as error:
            yield from error.faults


def _template(request: said.Request) -> outside.Template:
    return outside.Template(
        request.url, request.method, request.headers, request.body, request.expect, request.contains
    )


def _named(what: str, name: str, known: Mapping[str, T]) -> T:
    """The one of a name; raises RejectedError naming those there are."""
    if name not in known:
        hint = did_you_mean(name, known) if known else f"name some in alerting.containment.{what}s"
        raise RejectedError(f"there is no {what} '{name[:40]}'", hint=hint)
    return known[name]
