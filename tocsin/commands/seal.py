"""`tocsin seal`: seal what flows through Kafka, and anchor the ledger's checkpoints."""

import typer

from tocsin.commands.options import ConfigOption, DataOption

app = typer.Typer()


@app.command(epilog="Example: tocsin seal --config tocsin.yaml")
def seal(config: ConfigOption = None, data: DataOption = None) -> None:
    """Seal events, findings, decisions and alerts until SIGTERM or Ctrl-C.

    Of several such processes one seals and the others stand by. The ledger and its key lie in the data directory, so
    they need the same one, on a shared disk; with another ledger a process refuses to go on.
    """
    from tocsin.roles.process import SEAL
    from tocsin.roles.start import start

    raise typer.Exit(start(frozenset({SEAL}), config, data))
