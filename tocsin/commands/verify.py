"""`tocsin verify`: prove that the log is what was written."""

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer()


@app.command(epilog="Example: tocsin verify --data tocsin-data")
def verify(config: ConfigOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Check the chain of every frame, also while Tocsin runs, and name the first bad place. Exit code 1 where there is
    one. A tail that was cut off whole cannot be seen by the chain alone.
    """
    from stream.verify import verify_chain
    from tocsin.config import load_config

    loaded = load_config(config)
    folder = data or loaded.path(loaded.config.data)
    errors = Console(stderr=True)
    with errors.status("verifying") as status:
        chains = verify_chain(folder, progress=lambda path, count: status.update(f"{path.name}: {count:,} frames"))
    good = all(chain.fault is None for chain in chains)
    if as_json:
        typer.echo(json.dumps({"ok": good, "chains": [_plain(chain) for chain in chains]}))
    else:
        console = Console()
        for chain in chains:
            told = f"{chain.stream}: {chain.frames:,} frames in {chain.files} files are what was written"
            if chain.removed:
                told += f" ({chain.removed:,} of them without payload, with the reason)"
            console.print(Text(told, "green" if chain.fault is None else "yellow"))
            if chain.fault is not None:
                fault = chain.fault
                console.print(Text(f"{fault.file} at offset {fault.offset}: {fault.what}", "bold red"))
    if not good:
        raise typer.Exit(1)


def _plain(chain: object) -> dict[str, object]:
    from stream.verify import Chain

    assert isinstance(chain, Chain)
    record = chain._asdict()
    record["head"] = chain.head.hex()
    if chain.fault is not None:
        record["fault"] = {**chain.fault._asdict(), "file": str(Path(chain.fault.file))}
    return record
