"""`tocsin reveal`: who stands behind an alias, for a reason that is recorded."""

import getpass
import json
from typing import Annotated

import typer
from rich.console import Console

from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer()


@app.command(epilog='Example: tocsin reveal alias:2026-11:q1… --why "INC-7: calling the person"')
def reveal(
    values: Annotated[
        list[str], typer.Argument(metavar="VALUE…", help="Aliases or sealed values, as events show them.")
    ],
    why: Annotated[str, typer.Option("--why", "-m", help="The reason; it stands in the stream for good.")],
    field: Annotated[str, typer.Option("--field", help="The field that they stand in.")] = "user",
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Turn back what `privacy` in the configuration hid.

    The running Tocsin first writes into its stream who looked at what and why, and then answers. Administrators only.
    """
    from tocsin.client import connect

    asked = {"field": field, "values": values, "why": why, "by": getpass.getuser()}
    answer = connect(config, data).post("/reveal", asked)
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for value, shown in answer["revealed"].items():
        Console().print(f"{value} is {shown}", markup=False, highlight=False, soft_wrap=True)
