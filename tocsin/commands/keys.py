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
    from tocsin.config.whole import load_config

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
        state = "good" if key.revoked is None else "ends soon" if key.good(time.time()) else "revoked"
        table.add_row(key.id, Text(harmless(key.note, 60)), *scopes, state)
    Console().print(table)


@app.command(epilog="Example: tocsin keys rotate 0123456789 --overlap 24h")
def rotate(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")],
    overlap: Annotated[str, typer.Option(help="How long the old key goes on: 0s, 24h.")] = "24h",
    raw: Annotated[bool, typer.Option("--raw", help="Print the key alone.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Make a key that follows another in all it may do, and let the old one end a little later.

    What is sent again with the new key after it was accepted with the old one counts once.
    """
    from collector.keys import rotate_key
    from stream.errors import ConfigError
    from tocsin.moments import duration

    seconds = duration(overlap)
    if seconds is None:
        raise ConfigError(f"{overlap[:32]!r} is no length of time", hint="say 0s or 24h")
    key, text = rotate_key(_file(config, data), id_, time.time(), seconds)
    if raw:
        typer.echo(text)
    elif as_json:
        typer.echo(json.dumps({**_plain(key), "key": text}))
    else:
        console = Console()
        console.print(Text(text, "bold"))
        console.print(Text(f"Set it as TOCSIN_KEY; {id_} goes on for {overlap}, and this is not shown again.", "dim"))


@app.command(epilog="Example: tocsin keys master /etc/tocsin/master-key")
def master(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the master key is written; never overwritten.")],
) -> None:
    """Make a master key for `encrypt:`. Keep a copy elsewhere: without it what it protects cannot be read again."""
    import os

    from stream.encryption.keys import new_master
    from stream.errors import StorageError

    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(new_master() + "\n")
    except OSError as error:
        raise StorageError(f"cannot be written ({error.strerror})", where=str(file)) from error
    Console().print(Text(f"encrypt: {{key: {{file: {file}}}}}  # keep a copy of it elsewhere"))


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
