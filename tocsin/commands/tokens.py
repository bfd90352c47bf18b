"""`tocsin tokens`: API tokens of operators, shown once."""

import json
import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.harmless import harmless
from tocsin.commands.options import ConfigOption, DataOption, JsonOption
from tocsin.commands.users import operators_file

app = typer.Typer(help="Make, list and revoke API tokens of operators.", no_args_is_help=True)


@app.command(epilog="Example: tocsin tokens create ann --for 90d")
def create(
    user: Annotated[str, typer.Argument(metavar="NAME", help="Whose token.")],
    length: Annotated[str, typer.Option("--for", help="How long it holds: 12h, 90d; 366 days at most.")] = "90d",
    role: Annotated[str | None, typer.Option(help="A lesser role than the operator's own.")] = None,
    note: Annotated[str, typer.Option("--note", "-m", help="What it is for.")] = "",
    raw: Annotated[bool, typer.Option("--raw", help="Print the token alone.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Make a token. It is shown once and kept as a hash; a running Tocsin knows it at once."""
    from stream.errors import ConfigError
    from tocsin.access.operators import create_token, role_of
    from tocsin.moments import duration

    seconds = duration(length)
    if seconds is None:
        raise ConfigError(f"{length[:32]!r} is no length of time", hint="say 12h or 90d")
    which = role_of(role) if role is not None else None
    path = operators_file(config, data)
    token, text = create_token(path, time.time(), user, seconds, role=which, note=note)
    if raw:
        typer.echo(text)
    elif as_json:
        typer.echo(json.dumps({**_plain(token), "token": text}))
    else:
        console = Console()
        console.print(Text(text, "bold"))
        console.print(Text("Set it as TOCSIN_TOKEN where the commands run; it is not shown again.", "dim"))


@app.command("list", epilog="Example: tocsin tokens list")
def list_(as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """Every token, those that hold no more too."""
    from tocsin.access.operators import read

    tokens = read(operators_file(config, data)).tokens
    if as_json:
        typer.echo(json.dumps([_plain(token) for token in tokens]))
        return
    if not tokens:
        Console().print("no tokens yet; `tocsin tokens create NAME` makes one", markup=False)
        return
    now = time.time()
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "of", "role", "for", "state"):
        table.add_column(heading, overflow="fold")
    for token in tokens:
        days = (token.expires - now) / 86_400
        state = "revoked" if token.revoked is not None else "expired" if days <= 0 else f"{days:.0f} days left"
        table.add_row(token.id, token.user, token.role or "theirs", Text(harmless(token.note, 60)), state)
    Console().print(table)


@app.command(epilog="Example: tocsin tokens revoke 0123456789")
def revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The token's id.")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Revoke a token: from the next request on it is refused."""
    from tocsin.access.operators import revoke_token

    token = revoke_token(operators_file(config, data), id_, time.time())
    Console().print(Text(f"{token.id} of {token.user} is revoked"))


def _plain(token: Any) -> dict[str, Any]:
    import msgspec

    record: dict[str, Any] = msgspec.to_builtins(token)
    record.pop("hash")
    return record
