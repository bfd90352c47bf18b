from pathlib import Path

from tocsin_audit.options import options


def test_arguments_win_over_the_environment_and_that_over_names() -> None:
    environ = {"TOCSIN_URL": "https://t.example", "TOCSIN_KEY": "k", "TOCSIN_SERVER": "from-environment", "HOME": "/h"}
    assert options(environ, name="crm", host="h1").server == "from-environment"
    assert options(environ, name="crm", host="h1", server="given").server == "given"
    plain = options({"HOME": "/h"}, name="crm", host="h1")
    assert (plain.server, plain.producer, plain.enabled) == ("crm", "crm@h1", False)
    assert options(environ, name=None, host="h1").ships
    assert plain.spool.is_relative_to(Path("/h/.local/state/tocsin-audit"))


def test_what_an_operator_wrote_wrongly_is_a_fault_and_no_error() -> None:
    environ = {"TOCSIN_URL": "tocsin.example:8642", "TOCSIN_KEY": "k", "TOCSIN_TRUSTED_PROXIES": "10.0.0.0/8,nonsense"}
    made = options(environ, name="crm", host="h1")
    assert len(made.faults) == 2
    assert not made.enabled


def test_a_key_in_the_clear_is_told_but_used() -> None:
    remote = options({}, name="crm", host="h1", url="http://tocsin.example:8642", key="k")
    local = options({}, name="crm", host="h1", url="http://127.0.0.1:8642", key="k")
    assert [len(remote.faults), remote.ships, local.faults, local.ships] == [1, True, (), True]


def test_servers_with_strange_names_have_folders_of_their_own() -> None:
    folders = {options({}, name=name, host="h").spool.name for name in ("a/b", "a_b", "../x", "a b")}
    assert len(folders) == 4
    assert not any("/" in folder or folder.startswith(".") for folder in folders)
