"""`tocsin listen`: take events in over HTTP and append them to Kafka."""

import typer

from tocsin.commands.options import ConfigOption, DataOption

app = typer.Typer()


@app.command(epilog="Example: tocsin listen --config tocsin.yaml")
def listen(config: ConfigOption = None, data: DataOption = None) -> None:
    """Take events in over HTTP and append them to the partitions of their principals, until SIGTERM or Ctrl-C.

    Any number of listeners may run; they keep nothing but their collector keys, which all must have alike.
    """
    from tocsin.roles.process import LISTEN
    from tocsin.roles.start import start

    raise typer.Exit(start(frozenset({LISTEN}), config, data))
