"""Operators: kept as hashes, shown once, gone at once."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from stream.errors import ConfigError, StorageError
from tocsin.access.operators import (
    DAY,
    Operators,
    add_user,
    change_user,
    create_token,
    read,
    revoke_token,
)
from tocsin.access.passwords import Passwords, hash_password

Call = Callable[..., Result]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with one operator."""
    file = tmp_path / "operators.json"
    add_user(file, 1.0, "ann", "responder", tenants=("acme",), everything=False, password="")
    return file


def test_a_token_is_found_by_its_text_and_by_nothing_else(path: Path) -> None:
    token, text = create_token(path, 10.0, "ann", DAY)
    operators = Operators(path)
    found = operators.bearer(text, 11.0)
    assert found is not None
    assert (found[0].name, found[1].id) == ("ann", token.id)
    other = create_token(path, 10.0, "ann", DAY)[1]
    mixed = "_".join([*text.split("_")[:2], other.split("_")[2]])
    for wrong in (text[:-1], text + "0", text.upper(), mixed, "", "tct", "tct__", f"tct_{token.id}_{token.hash}"):
        assert operators.bearer(wrong, 11.0) is None


def test_an_expired_or_revoked_token_and_those_of_the_disabled_let_nobody_in(path: Path) -> None:
    token, text = create_token(path, 10.0, "ann", 100.0)
    operators = Operators(path)
    assert operators.bearer(text, 109.9) is not None
    assert operators.bearer(text, 110.0) is None
    change_user(path, "ann", disabled=50.0)
    assert operators.bearer(text, 51.0) is None
    change_user(path, "ann", disabled=None)
    assert operators.bearer(text, 51.0) is not None
    revoke_token(path, token.id, 60.0)
    assert operators.bearer(text, 61.0) is None


def test_the_file_holds_no_secret_and_is_for_its_owner(path: Path) -> None:
    _, text = create_token(path, 10.0, "ann", DAY)
    change_user(path, "ann", password=hash_password("correct horse battery"))
    kept = path.read_text()
    assert text.split("_")[2] not in kept
    assert "horse" not in kept
    assert "$argon2id$" in kept
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_token_has_no_more_than_its_operators_role(path: Path) -> None:
    assert create_token(path, 1.0, "ann", DAY, role="viewer")[0].role == "viewer"
    with pytest.raises(ConfigError, match="no token of theirs can be administrator"):
        create_token(path, 1.0, "ann", DAY, role="administrator")
    for seconds in (0.0, -1.0, 367 * DAY):
        with pytest.raises(ConfigError, match="366 days"):
            create_token(path, 1.0, "ann", seconds)


@pytest.mark.parametrize("name", ["", "a b", "a\n", "../x", "x" * 65, "ann", "operator", "tocsin"])
def test_a_name_that_cannot_be_is_refused(path: Path, name: str) -> None:
    before = read(path)
    with pytest.raises(ConfigError):
        add_user(path, 1.0, name, "viewer", tenants=("acme",), everything=False, password="")
    assert read(path) == before


def test_nobody_sees_everything_without_its_being_said(path: Path) -> None:
    for tenants, everything in (((), False), (("acme",), True)):
        with pytest.raises(ConfigError, match="whose data"):
            add_user(path, 1.0, "bob", "viewer", tenants=tenants, everything=everything, password="")


def test_a_damaged_file_lets_nobody_in_and_says_so(path: Path) -> None:
    path.write_text("{")
    with pytest.raises(StorageError, match="cannot be read"):
        Operators(path).bearer("tct_a_b", 1.0)


def test_a_password_is_right_or_wrong_and_nobody_has_none() -> None:
    passwords, kept = Passwords(), hash_password("correct horse battery")
    for _ in range(2):
        assert passwords.right(kept, "correct horse battery", 1.0)
    assert not passwords.right(kept, "correct horse batter", 1.0)
    assert not passwords.right("", "", 1.0)
    assert not passwords.right(kept, "x" * 5_000, 1.0)
    for bad in ("short", "x" * 257):
        with pytest.raises(ConfigError, match="12 to 256"):
            hash_password(bad)


def test_operators_and_tokens_by_command(tocsin: Call) -> None:
    Path("password").write_text("correct horse battery\n")
    added = tocsin(
        "users", "add", "ann", "--role", "responder", "--tenant", "acme", "--password-file", "password", "-d", "data"
    )
    assert added.exit_code == 0, added.output
    (listed,) = json.loads(tocsin("users", "list", "-d", "data", "--json").stdout)
    assert (listed["name"], listed["tenants"], listed["password"]) == ("ann", ["acme"], True)
    assert "argon2" not in json.dumps(listed)
    made = json.loads(tocsin("tokens", "create", "ann", "--for", "12h", "-d", "data", "--json").stdout)
    (token,) = json.loads(tocsin("tokens", "list", "-d", "data", "--json").stdout)
    assert (token["id"], round(token["expires"] - token["created"])) == (made["id"], 43_200)
    assert made["token"] not in json.dumps(token)
    assert "hash" not in token
    assert tocsin("tokens", "revoke", made["id"], "-d", "data").exit_code == 0
    assert tocsin("users", "disable", "ann", "-d", "data").exit_code == 0
    assert json.loads(tocsin("users", "list", "-d", "data", "--json").stdout)[0]["disabled"] is not None
    assert tocsin("users", "enable", "ann", "-d", "data").exit_code == 0
    wrong = tocsin("users", "add", "bob", "--role", "king", "--tenant", "acme", "--no-password", "-d", "data")
    assert wrong.exit_code == 1
    assert "viewer, responder, administrator" in wrong.stderr
    assert tocsin("tokens", "create", "nobody", "-d", "data").exit_code == 2
