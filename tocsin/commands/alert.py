"""`tocsin alert`: decide on the findings in Kafka, and tell people."""

import typer

from tocsin.commands.options import ConfigOption, DataOption

app = typer.Typer()


@app.command(epilog="Example: tocsin alert --config tocsin.yaml")
def alert(config: ConfigOption = None, data: DataOption = None) -> None:
    """Turn findings into incidents and messages until SIGTERM or Ctrl-C.

    Of several such processes one decides and the others stand by; they need one PostgreSQL (alerting.database).
    """
    from tocsin.roles.process import ALERT
    from tocsin.roles.start import start

    raise typer.Exit(start(frozenset({ALERT}), config, data))
