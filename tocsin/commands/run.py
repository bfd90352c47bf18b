"""`tocsin run`: collect, detect and alert, all in one process."""

import typer

from tocsin.commands.options import ConfigOption, DataOption

app = typer.Typer()

SWITCH = 0.0005
"""Seconds after which a busy thread lets others run: at Python's 5 ms an append beside a busy detector takes 5 ms."""


@app.command(epilog="Example: tocsin run --config tocsin.yaml")
def run(config: ConfigOption = None, data: DataOption = None) -> None:
    """Run until SIGTERM or Ctrl-C. The first start makes the data directory with an operator's token and a key.

    Nothing starts where the configuration has a fault; `tocsin check` names them.
    """
    import logging
    import sys

    from tocsin.config.whole import load_config
    from tocsin.first_start import first_key
    from tocsin.roles.log import on_kafka
    from tocsin.roles.start import start
    from tocsin.runtime import Runtime
    from tocsin.secrecy.dumps import forbid
    from tocsin.server import serve
    from tocsin.setup import prepare
    from tocsin.upkeep.cycles import spare
    from tocsin.upkeep.logs import set_up

    forbid()
    if on_kafka(load_config(config)):
        from tocsin.roles.process import ALL

        raise typer.Exit(start(ALL, config, data))
    ready = prepare(config, data)
    set_up(ready.config.logging.level, ready.config.logging.format, ready.loaded.secrets.hide)
    logger = logging.getLogger("tocsin")
    runtime = Runtime(ready)
    made = first_key(ready.data, runtime.clock())
    if made is not None:
        logger.info("first start: a collector key for all tenants lies in %s", made)
    spare()
    sys.setswitchinterval(SWITCH)
    raise typer.Exit(serve(runtime))
