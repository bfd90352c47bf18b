"""`tocsin topics`: the topics of a log on Kafka, what is wrong with them, and making them."""

import json

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tocsin.commands.options import ConfigOption, JsonOption

app = typer.Typer()


@app.command(epilog="Example: tocsin topics --create --config tocsin.yaml")
def topics(
    config: ConfigOption = None,
    create: bool = typer.Option(False, "--create", help="Make the topics that are missing."),
    mend: bool = typer.Option(
        False, "--mend", help="Add the replicas that are missing and set what is set otherwise; nothing is lost by it."
    ),
    as_json: JsonOption = False,
) -> None:
    """Show the topics of the configured log: partitions, replicas, settings, and the command that mends what is wrong.

    Exit code 1 where one does not fit. A number of partitions is never changed, since keys would move with it.
    """
    from tocsin.config.whole import load_config
    from tocsin.roles import log as roles_log

    loaded = load_config(config)
    address = roles_log.address_of(loaded)
    made = roles_log.create(loaded, address) if create else []
    if mend:
        typer.echo("mending; copies of what there is are made meanwhile", err=True)
    mended = roles_log.mend(loaded, address) if mend else []
    found = roles_log.inspect(loaded, address)
    if as_json:
        shown = [topic._asdict() for topic in found]
        typer.echo(json.dumps({"log": address.where, "created": made, "mended": mended, "topics": shown}))
    else:
        table = Table("topic", "partitions", "replicas", "in sync", "settings", "state", title=Text(address.where))
        for topic in found:
            state = Text("; ".join(topic.faults), "red") if topic.faults else Text("fits", "green")
            settings = "\n".join(f"{name}={value}" for name, value in topic.settings.items())
            copies = (
                str(topic.replication),
                Text(str(topic.in_sync), "red" if topic.in_sync < topic.replication else ""),
            )
            table.add_row(topic.name, str(topic.partitions), *copies, Text(settings), state)
        console = Console(stderr=False)
        console.print(table)
        for topic in found:
            if topic.mend:
                console.print(Text(f"{topic.name}: {topic.mend}"), soft_wrap=True)
    if any(topic.faults for topic in found):
        raise typer.Exit(1)
