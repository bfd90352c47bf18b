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
    as_json: JsonOption = False,
) -> None:
    """Show the topics of the configured log: partitions, replicas, settings, and the command that mends what is wrong.

    Exit code 1 where one does not fit; nothing but missing topics is ever changed.
    """
    from tocsin import roles_log
    from tocsin.config import load_config

    loaded = load_config(config)
    address = roles_log.address_of(loaded)
    made = roles_log.create(loaded, address) if create else []
    found = roles_log.inspect(loaded, address)
    if as_json:
        shown = [topic._asdict() | {"settings": dict(topic.settings)} for topic in found]
        typer.echo(json.dumps({"log": address.where, "created": made, "topics": shown}))
    else:
        table = Table("topic", "partitions", "replicas", "settings", "state", title=Text(address.where))
        for topic in found:
            state = Text("; ".join(topic.faults), "red") if topic.faults else Text("fits", "green")
            settings = "\n".join(f"{name}={value}" for name, value in topic.settings.items())
            table.add_row(topic.name, str(topic.partitions), str(topic.replication), Text(settings), state)
        console = Console(stderr=False)
        console.print(table)
        for topic in found:
            if topic.mend:
                console.print(Text(f"{topic.name}: {topic.mend}"), soft_wrap=True)
    if any(topic.faults for topic in found):
        raise typer.Exit(1)
