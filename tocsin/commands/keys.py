"""`tocsin keys`: the keys that producers send events with, and those that the ledger is signed with."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.harmless import harmless
from tocsin.commands import signing
from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer(help="Make, list and revoke collector keys; the ledger's signing key.", no_args_is_help=True)
app.add_typer(signing.app, name="signing")


def _file(config: Path | None, data: Path | None) -> Path:
    from collector.keys import FILE
    from tocsin.config import load_config

    loaded = load_config(config)
    return (data or loaded.path(loaded.config.data)) / FILE


@app.command(epilog="Example: tocsin keys create billing --tenant acme --server billing")
def create(
    note: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
    tenant: Annotated[list[str] | None, typer.Option(help="Events of this tenant only; may be said again.")] = None,
    default: Annotated[str | None, typer.Option(help="The tenant of events that name none.")] = None,
    server: Annotated[list[str] | None, typer.Option(help="Events of this MCP server only; may be said again.")] = None,
    producer: Annotated[list[str] | None, typer.Option(help="Events of this producer only; may be said again.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Print the key alone.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Make a key. It is shown once and kept as a hash; a running Tocsin knows it at once."""
    from collector.keys import create_key

    key, text = create_key(
        _file(config, data),
        time.time(),
        tenants=tenant or (),
        tenant=default,
        servers=server or (),
        producers=producer or (),
        note=note,
    )
    if raw:
        typer.echo(text)
    elif as_json:
        typer.echo(json.dumps({**_plain(key), "key": text}))
    else:
        console = Console()
        console.print(Text(text, "bold"))
        console.print(Text("Set it as TOCSIN_KEY where the server runs; it is not shown again.", "dim"))


@app.command("list", epilog="Example: tocsin keys list")
def list_(as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """Every key, revoked ones too."""
    from collector.keys import list_keys

    keys = list_keys(_file(config, data))
    if as_json:
        typer.echo(json.dumps([_plain(key) for key in keys]))
        return
    if not keys:
        Console().print("no collector keys yet; `tocsin keys create NAME` makes one", markup=False)
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "for", "tenants", "servers", "producers", "state"):
        table.add_column(heading, overflow="fold")
    for key in keys:
        scopes = (", ".join(scope) or "all" for scope in (key.tenants, key.servers, key.producers))
        state = "revoked" if key.revoked is not None else "good"
        table.add_row(key.id, Text(harmless(key.note, 60)), *scopes, state)
    Console().print(table)


@app.command(epilog="Example: tocsin keys revoke 0123456789")
def revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Revoke a key: from the next request on it is refused."""
    from collector.keys import revoke_key

    key = revoke_key(_file(config, data), id_, time.time())
    Console().print(Text(f"{key.id} is revoked ({harmless(key.note, 60)})"))


def _plain(key: Any) -> dict[str, Any]:
    import msgspec

    record: dict[str, Any] = msgspec.to_builtins(key)
    record.pop("hash")
    return record
