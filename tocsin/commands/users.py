"""`tocsin users`: who may ask and act, beside whoever has the token file."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer(help="Add, list, disable and enable operators.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The operator's name.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="A file with the password; it is asked for on a terminal otherwise."),
]


def operators_file(config: Path | None, data: Path | None) -> Path:
    """The file of operators of a data directory."""
    from tocsin.access.operators import FILE
    from tocsin.config.whole import load_config

    loaded = load_config(config)
    return (data or loaded.path(loaded.config.data)) / FILE


@app.command(epilog="Example: tocsin users add ann --role responder --tenant acme")
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="viewer looks, responder acts, administrator also decides who may.")],
    tenant: Annotated[list[str] | None, typer.Option(help="Whose data they see; may be said again.")] = None,
    all_tenants: Annotated[bool, typer.Option("--all-tenants", help="They see everybody's data.")] = False,
    no_password: Annotated[bool, typer.Option("--no-password", help="They come in by API tokens alone.")] = False,
    password_file: PasswordFile = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Let somebody in. A running Tocsin knows them at once."""
    from tocsin.access.operators import add_user, role_of

    which = role_of(role)
    kept = "" if no_password else _hashed(password_file)
    path = operators_file(config, data)
    user = add_user(path, time.time(), name, which, tenants=tenant or (), everything=all_tenants, password=kept)
    if as_json:
        typer.echo(json.dumps(_plain(user)))
        return
    seen = "every tenant" if user.everything else ", ".join(user.tenants)
    Console().print(Text(f"{user.name} is {user.role} for {seen}; `tocsin tokens create {user.name}` makes a token"))


@app.command("list", epilog="Example: tocsin users list")
def list_(as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """Everybody who may come in, and those who may not any more."""
    from tocsin.access.operators import read

    users = read(operators_file(config, data)).users
    if as_json:
        typer.echo(json.dumps([_plain(user) for user in users]))
        return
    if not users:
        Console().print("no operators yet but the owner of the token file; `tocsin users add NAME`", markup=False)
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "role", "tenants", "password", "state"):
        table.add_column(heading, overflow="fold")
    for user in users:
        tenants = "all" if user.everything else ", ".join(user.tenants)
        state = "disabled" if user.disabled is not None else "good"
        table.add_row(user.name, user.role, Text(tenants), "yes" if user.password else "no", state)
    Console().print(table)


@app.command(epilog="Example: tocsin users password ann")
def password(
    name: Name, password_file: PasswordFile = None, config: ConfigOption = None, data: DataOption = None
) -> None:
    """Give somebody a new password; their tokens go on."""
    from tocsin.access.operators import change_user

    path = operators_file(config, data)
    change_user(path, name, password=_hashed(password_file))
    Console().print(Text(f"{name} has a new password"))


@app.command(epilog="Example: tocsin users disable ann")
def disable(name: Name, config: ConfigOption = None, data: DataOption = None) -> None:
    """Keep somebody out, with all their tokens, from the next request on; undo: tocsin users enable."""
    from tocsin.access.operators import change_user

    change_user(operators_file(config, data), name, disabled=time.time())
    Console().print(Text(f"{name} is disabled; undo: tocsin users enable {name}"))


@app.command(epilog="Example: tocsin users enable ann")
def enable(name: Name, config: ConfigOption = None, data: DataOption = None) -> None:
    """Let somebody in again who was disabled; tokens that still hold work again."""
    from tocsin.access.operators import change_user

    change_user(operators_file(config, data), name, disabled=None)
    Console().print(Text(f"{name} may come in again"))


def _hashed(file: Path | None) -> str:
    from stream.errors import ConfigError
    from tocsin.access.passwords import hash_password

    if file is None:
        return hash_password(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    try:
        text = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the password cannot be read ({error})", where=str(file)) from error
    return hash_password(text)


def _plain(user: Any) -> dict[str, Any]:
    return {
        "name": user.name,
        "role": user.role,
        "tenants": None if user.everything else list(user.tenants),
        "password": bool(user.password),
        "created": user.created,
        "disabled": user.disabled,
    }
