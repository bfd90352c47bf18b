"""`tocsin keys signing`: the keys that the ledger's checkpoints are signed with."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer(help="Show, export and rotate the ledger's signing key.", no_args_is_help=True)


def _file(config: Path | None, data: Path | None) -> Path:
    from stream.errors import ConfigError
    from stream.ledger.signing import FILE
    from tocsin.config.whole import load_config

    loaded = load_config(config)
    said = loaded.config.ledger.key
    if said is None:
        return (data or loaded.path(loaded.config.data)) / FILE
    if said.file is None:
        hint = "put `ledger.key: {file: …}` there, or leave it out and let Tocsin keep the key in the data directory"
        raise ConfigError("the signing key comes from the environment, which Tocsin cannot change or show", hint=hint)
    return loaded.path(said.file)


@app.command(epilog="Example: tocsin keys signing show")
def show(as_json: JsonOption = False, config: ConfigOption = None, data: DataOption = None) -> None:
    """The public keys that checkpoints are signed with now, the present one first."""
    from stream.ledger.signing import read_keys

    found = [str(signer.verifier) for signer in read_keys(_file(config, data))]
    if as_json:
        typer.echo(
            json.dumps(
                [
                    {"key": key, "state": "signs" if at == 0 else "signs until it is retired"}
                    for at, key in enumerate(found)
                ]
            )
        )
        return
    for at, key in enumerate(found):
        typer.echo(key if at == 0 else f"{key}  (the one before; signs until it is retired)")


@app.command(epilog="Example: tocsin keys signing export --to /mnt/auditor/ledger.pub")
def export(
    to: Annotated[Path | None, typer.Option(help="Where to put it (default: standard output).")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """The public key for an auditor to keep: all that `tocsin verify` needs."""
    from stream.errors import StorageError
    from stream.ledger.signing import read_keys

    key = str(read_keys(_file(config, data))[0].verifier)
    if to is None:
        typer.echo(key)
        return
    try:
        to.write_text(f"{key}\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot be written ({error.strerror})", where=str(to)) from error
    Console().print(Text(f"{to} has the public key; keep it where nobody who runs Tocsin can write"))


@app.command(epilog="Example: tocsin keys signing rotate")
def rotate(config: ConfigOption = None, data: DataOption = None) -> None:
    """Make a new key. A running Tocsin takes it up at once; the old one vouches for it, and both sign until
    `retire`, so that whoever knows either can verify.
    """
    from stream.ledger.signing import kept_keys
    from stream.ledger.signing import rotate as change

    path = _file(config, data)
    if not path.exists():
        (made,) = kept_keys(path)
        Console().print(Text(f"the first signing key is made: {made.verifier}"))
        return
    old, new = change(path)
    console = Console()
    console.print(Text(f"signs from now on: {new.verifier}"))
    console.print(Text(f"signs beside it:   {old.verifier}"))
    console.print(Text("give auditors the new public key, then: tocsin keys signing retire", "dim"))


@app.command(epilog="Example: tocsin keys signing retire")
def retire(config: ConfigOption = None, data: DataOption = None) -> None:
    """End the key before the present one: nothing is signed with it any more, and it is gone from the file."""
    from stream.errors import RejectedError
    from stream.ledger.file import FILE
    from stream.ledger.reading import LedgerFile
    from stream.ledger.signing import read_keys, vouched
    from stream.ledger.signing import retire as end
    from tocsin.config.whole import load_config

    path = _file(config, data)
    present, *past = [signer.verifier for signer in read_keys(path)]
    if not past:
        Console().print("there is no key but the present one", markup=False)
        return
    loaded = load_config(config)
    ledger = LedgerFile((data or loaded.path(loaded.config.data)) / FILE)
    try:
        known = vouched(ledger.endorsements(), past)
    finally:
        ledger.close()
    if present not in known:
        hint = "start `tocsin run` once with both keys, and try again"
        raise RejectedError("the ledger does not have the old key's word for the new one yet", hint=hint)
    for signer in end(path):
        Console().print(Text(f"signs no more: {signer.verifier}"))
