"""`tocsin deadletter`: records of a log on Kafka that could not be read."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tocsin.commands.options import ConfigOption, JsonOption

app = typer.Typer(no_args_is_help=True, help="Records that could not be read: list them, look at one, send it again.")

NameArgument = Annotated[str, typer.Argument(help="Where it stood: STREAM/PARTITION/OFFSET, as `list` shows it.")]


@app.command("list", epilog="Example: tocsin deadletter list --json")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the records that were passed over, with the reason. Exit code 0 with or without any."""
    with _letters(config) as letters:
        found = list(letters.all())
    if as_json:
        typer.echo(json.dumps([_plain(letter) for letter in found]))
        return
    if not found:
        typer.echo("there are no dead letters: every record could be read")
        return
    table = Table("place", "bytes", "reason")
    for letter in found:
        table.add_row(Text(letter.name), str(len(letter.value)), Text(letter.reason))
    Console().print(table)


@app.command(epilog="Example: tocsin deadletter show events/3/1234")
def show(name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show one record: why it could not be read, and its first bytes."""
    with _letters(config) as letters:
        letter = letters.find(name)
    if as_json:
        typer.echo(json.dumps(_plain(letter) | {"value": letter.value.hex()}))
        return
    console = Console()
    console.print(Text(f"{letter.name}: {letter.reason} ({len(letter.value):,} bytes)"))
    for at in range(0, min(len(letter.value), 512), 32):
        row = letter.value[at : at + 32]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        console.print(Text(f"{at:04x}  {row.hex(' '):<95}  {text}"), soft_wrap=True)


@app.command(epilog="Example: tocsin deadletter replay events/3/1234")
def replay(
    name: Annotated[str, typer.Argument(help="Where it stood, or `all`.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a record again to where it came from, once what made it unreadable is mended (a newer Tocsin, say).

    What still cannot be read becomes a dead letter again, at its new place.
    """
    with _letters(config) as letters:
        chosen = list(letters.all()) if name == "all" else [letters.find(name)]
        sent = [(letter, letters.replay(letter)) for letter in chosen]
    if as_json:
        typer.echo(json.dumps([{"place": letter.name, "offset": offset} for letter, offset in sent]))
        return
    for letter, offset in sent:
        typer.echo(f"{letter.name} was sent again as {letter.stream}/{letter.partition}/{offset}")
    if not sent:
        typer.echo("there are no dead letters")


@contextmanager
def _letters(config: Any) -> Iterator[Any]:
    from stream.kafka import KafkaLog
    from tocsin.config.whole import load_config
    from tocsin.roles.log import address_of

    with KafkaLog(address_of(load_config(config))) as log:
        yield log.dead_letters


def _plain(letter: Any) -> dict[str, Any]:
    return {
        "place": letter.name,
        "stream": letter.stream,
        "partition": letter.partition,
        "offset": letter.offset,
        "bytes": len(letter.value),
        "reason": letter.reason,
    }
