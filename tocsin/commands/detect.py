"""`tocsin detect`: fold the partitions of Kafka that the group gives this process."""

import typer

from tocsin.commands.options import ConfigOption, DataOption

app = typer.Typer()


@app.command(epilog="Example: tocsin detect --config tocsin.yaml")
def detect(config: ConfigOption = None, data: DataOption = None) -> None:
    """Fold events into findings until SIGTERM or Ctrl-C; the partitions are shared among all that run this.

    A worker that ends hands over with a snapshot; one that dies is taken over from by replay. Nothing is lost or said
    twice.
    """
    from tocsin.roles import DETECT
    from tocsin.roles_start import start

    raise typer.Exit(start(frozenset({DETECT}), config, data))
