"""A wrong configuration is told whole, with places and hints; a right one starts."""

from pathlib import Path

import pytest

from tocsin.config.directory_file import parse_directory
from tocsin.config.faults import FaultsError
from tocsin.config.whole import load_config, parse_config


def test_an_empty_configuration_is_a_good_one() -> None:
    assert parse_config("").config.listen.port == 8642


def test_every_fault_is_told_at_once_with_its_line() -> None:
    text = "listn: {}\nlisten: {port: 99999, hosst: x}\nalerting: {page_from: huge}\nsinks: {siem: {url: x}}\n"
    with pytest.raises(FaultsError) as caught:
        parse_config(text, "t.yaml")
    told = {(fault.line, fault.key) for fault in caught.value.faults}
    assert told == {
        (1, "listn"),
        (2, "listen.port"),
        (2, "listen.hosst"),
        (3, "alerting.page_from"),
        (4, "sinks.siem.type"),
    }


def test_an_unknown_key_comes_with_the_one_that_was_meant() -> None:
    with pytest.raises(FaultsError, match="did you mean 'host'"):
        parse_config("listen: {hosst: x}")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: [", "not YAML"),
        ("- 1", "a configuration is a mapping"),
        ("data: x\ndata: y", "said twice (first in line 1)"),
        ("data: !!python/object:os.system x", "not YAML"),
        ("\x00", "not YAML"),
    ],
)
def test_what_is_not_a_configuration_is_refused_with_the_reason(text: str, what: str) -> None:
    with pytest.raises(FaultsError) as caught:
        parse_config(text)
    assert what in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="there is no such file"):
        load_config(tmp_path / "nowhere.yaml")


def test_relative_paths_start_at_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "tocsin.yaml").write_text("directory: who.yaml\n")
    loaded = load_config(tmp_path / "tocsin.yaml")
    assert loaded.config.directory is not None
    assert loaded.path(loaded.config.directory) == tmp_path / "who.yaml"


DIRECTORY = """
tenants: {acme: {region: eu, sensitivity: high}, globex:}
principals: [{user: "https://idp.acme.example|alice", tenant: acme, role: support, ai_type: customer_service}]
servers: [{name: billing, tenant: acme, data: [pii, payment]}, {name: search, shared: true}]
grants: [{role: support, tenant: "*", from: 2026-11-01T08:00:00Z, until: 2026-12-01T00:00:00Z, ticket: OPS-2}]
ownership: [{server: billing, uri: "crm://{tenant}/**"}, {server: billing, result: "rows[*].tenant_id"}]
canaries: [{server: billing, target: "crm://acme/customers/00000"}]
windows: [{kind: change, server: search, from: 2026-11-20T14:00:00Z, until: 2026-11-20T23:00:00Z, note: release}]
identity: [{server: billing, claim: org_id}]
"""


def test_a_directory_says_who_is_who() -> None:
    directory = parse_directory(DIRECTORY, "directory.yaml")
    assert set(directory.tenants) == {"acme", "globex"}
    assert directory.principals[0].role == "support"
    assert directory.grants[0].tenant == "*"


def test_every_fault_of_a_directory_is_told_at_once() -> None:
    text = """tennants: {}
grants:
 - {tenant: x, until: 2026-11-01}
 - {user: a, tenant: x, from: 2026-11-02T00:00:00Z, until: 2026-11-01T00:00:00Z, tiket: 5}
servers: {}
ownership: [{uri: "crm://x"}, {server: a}]
"""
    with pytest.raises(FaultsError) as caught:
        parse_directory(text, "d.yaml")
    told = [(fault.line, fault.key) for fault in caught.value.faults]
    assert told == [
        (1, "tennants"),
        (3, "grants[0]"),
        (3, "grants[0].until"),
        (4, "grants[1]"),
        (4, "grants[1].tiket"),
        (5, "servers"),
        (6, "ownership[0]"),
        (6, "ownership[1]"),
    ]
