"""From configuration to what is done with events at receipt."""

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from collector.enrich import Options
from collector.identity.caller import Caller
from collector.identity.keys import ALGORITHMS, Issuer, KeySet
from collector.identity.token import Verifier
from collector.inspection.inspector import Inspector
from collector.inspection.pattern import Screen
from collector.inspection.personal import configured
from collector.privacy.keys import Vault
from collector.privacy.policy import FIELDS, KEYED, Privacy
from collector.vantage import Rule, Vantage
from stream.errors import ConfigError
from tocsin.config.base import Secret
from tocsin.config.content import Counting, Inspection
from tocsin.config.content import Issuer as IssuerSection
from tocsin.config.faults import Fault, did_you_mean
from tocsin.config.whole import Loaded
from tocsin_audit.fingerprint import Fingerprints, fingerprints
from tocsin_audit.source import Network, networks

CACHE: Final = "jwks"
"""The folder of the data directory that keeps issuers' keys for when they cannot be reached."""


def options_of(loaded: Loaded, data: Path, faults: list[Fault]) -> Options:
    """What the configuration says of events at receipt; every fault is added to `faults`."""
    said = loaded.config
    prints = _prints(loaded, faults)
    issuers = said.identity.issuers
    wrong = issuer_faults(issuers, loaded.base)
    faults += [loaded.fault(("identity", "issuers", number), what) for number, what in wrong]
    verifier = Verifier(key_sets(issuers, loaded.base, data / CACHE))
    return Options(
        inspector=_inspector(loaded, faults),
        keep=frozenset(said.inspection.keep),
        prints=prints,
        caller=Caller(prints, verifier, _trusted(loaded, faults)),
        privacy=_privacy(loaded, faults),
        vantage=_vantage(loaded),
    )


def vault_of(loaded: Loaded) -> Vault:
    """The keys of what is hidden. Raises ConfigError where there is none, or it cannot be used."""
    key = loaded.config.privacy.key
    hint = "say privacy: {key: {file: privacy-key}}, with a line like 2026-11:SECRET in the file"
    if key is None:
        raise ConfigError("no key of what is hidden is configured", where=loaded.document.file, hint=hint)
    try:
        return Vault(_read(loaded, key).splitlines())
    except ValueError as error:
        raise ConfigError(f"privacy.key cannot be used: {error}", where=loaded.document.file, hint=hint) from error


def key_sets(issuers: Sequence[IssuerSection], base: Path, cache: Path, *, wait: float = 0.0) -> list[KeySet]:
    """The key sets of issuers; files start at `base`, and a first caller waits at most `wait` seconds for a fetch."""
    made = []
    for issuer in issuers:
        place = _place(issuer, base)
        kept = cache / f"{sha256(place.encode()).hexdigest()[:16]}.json"
        plain = Issuer(issuer.issuer, place, tuple(issuer.audience), tuple(issuer.algorithms), tuple(issuer.servers))
        made.append(KeySet(plain, cache=kept, wait=wait))
    return made


def issuer_faults(issuers: Sequence[IssuerSection], base: Path) -> Iterator[tuple[int, str]]:
    """What is wrong with issuers, each with its number."""
    for number, issuer in enumerate(issuers):
        unknown = sorted(set(issuer.algorithms) - set(ALGORITHMS))
        if unknown:
            yield number, f"the algorithm {unknown[0]} is not taken; known here: {', '.join(ALGORITHMS)}"
        place = _place(issuer, base)
        if not _remote(place) and not Path(place).is_file():
            yield number, f"there is no file {place}"


def _place(issuer: IssuerSection, base: Path) -> str:
    return issuer.jwks if _remote(issuer.jwks) else str(base / Path(issuer.jwks).expanduser())


def _remote(place: str) -> bool:
    return place.startswith(("http://", "https://"))


def inspection_faults(said: Inspection) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """What is wrong with an inspection's classes: the place, what it is, and a hint."""
    for name, expression in said.classes.items():
        if re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name) is None:
            yield ("classes", name), "a name is of small letters, digits and underscores", ""
        try:
            Screen(configured({name: expression}))
        except ValueError as error:
            hint = "RE2 has no look-around and no back-references"
            yield ("classes", name), f"no expression of RE2: {error}", hint


def inspector_of(said: Inspection) -> Inspector | None:
    """The inspector that is asked for; raises ValueError where a class has faults."""
    return Inspector(said.classes, said.budget_kib * 1024) if said.enabled else None


def _inspector(loaded: Loaded, faults: list[Fault]) -> Inspector | None:
    said = loaded.config.inspection
    wrong = [loaded.fault(("inspection", *path), what, hint) for path, what, hint in inspection_faults(said)]
    faults += wrong
    return inspector_of(said) if not wrong else None


def _prints(loaded: Loaded, faults: list[Fault]) -> Fingerprints:
    """The fleet's fingerprints, else such as only this process makes."""
    said = loaded.config.privacy.fingerprint_key
    secret = os.environ.get("TOCSIN_FINGERPRINT_KEY") or None
    if said is not None:
        try:
            secret = _read(loaded, said)
        except ValueError as error:
            faults.append(loaded.fault(("privacy", "fingerprint_key"), str(error)))
    return fingerprints(secret, secrets.token_bytes(32))


def _trusted(loaded: Loaded, faults: list[Fault]) -> tuple[Network, ...]:
    try:
        return networks(loaded.config.identity.trusted_proxies)
    except ValueError as error:
        hint = "write addresses or networks like 10.0.0.0/8"
        faults.append(loaded.fault(("identity", "trusted_proxies"), str(error), hint))
        return ()


def _privacy(loaded: Loaded, faults: list[Fault]) -> Privacy:
    said = loaded.config.privacy
    before = len(faults)
    faults += [
        loaded.fault(("privacy", "fields", name), "no policy is taken for this", did_you_mean(name, FIELDS))
        for name in said.fields
        if name not in FIELDS
    ]
    vault = None
    if said.key is not None:
        try:
            vault = Vault(_read(loaded, said.key).splitlines())
        except ValueError as error:
            faults.append(loaded.fault(("privacy", "key"), str(error), "a line like 2026-11:SECRET each, newest first"))
    elif any(policy in KEYED for policy in said.fields.values()):
        hint = "say key: {file: privacy-key}, with a line like 2026-11:SECRET in the file"
        faults.append(loaded.fault(("privacy", "fields"), "hash, seal and alias need privacy.key", hint))
    return Privacy(said.fields, vault) if len(faults) == before else Privacy()


def _vantage(loaded: Loaded) -> Vantage:
    said = loaded.config.vantage
    rules = {}
    for server, counting in said.servers.items():
        rule = counting if isinstance(counting, Counting) else Counting(counts=counting)
        rules[server] = Rule(rule.counts, rule.auth or rule.counts)
    return Vantage(rules, trace=said.trace_seconds, window=said.window_seconds)


def _read(loaded: Loaded, secret: Secret) -> str:
    placed = secret.model_copy(update={"file": loaded.path(secret.file.expanduser())}) if secret.file else secret
    return loaded.secrets.learn(placed.read())
