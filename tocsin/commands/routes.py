"""`tocsin routes`: who would be told of what."""

import json
import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from tocsin.commands.options import ConfigOption, JsonOption

app = typer.Typer(help="Who would be told of what, and why.", no_args_is_help=True)


@app.callback()
def _together() -> None:
    """Who would be told of what, and why."""


@app.command(
    "test", epilog="Example: tocsin routes test class=brute severity=high tenant=acme --at 2026-11-20T23:00:00+01:00"
)
def try_(
    values: Annotated[list[str], typer.Argument(metavar="KEY=VALUE…", help="What the incident is: class, tenant, …")],
    at: Annotated[str | None, typer.Option(help="When: 2026-11-20T23:00:00+01:00; now where it is left out.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Where an incident would go, and which routes were asked with what answer."""
    from alerting.matching import parse_all
    from stream.errors import RejectedError
    from tocsin.moments import moment
    from tocsin.setup import prepare

    ready = prepare(config)
    have: dict[str, tuple[str, ...]] = {"severity": ("high",)}
    for condition in parse_all(values):
        if condition.operator != "=":
            raise RejectedError(f"'{condition}' is no value", hint="write what the incident is: tenant=acme")
        have[condition.key] = condition.values
    clock = moment(at, time.time()) if at is not None else time.time()
    steps = ready.routes.explain(have, clock)
    receivers = {one.name: one for one in ready.routes.receivers}
    told = [(step.route.receiver, step.route.observe) for step in steps if step.chosen]
    told = told or [(ready.routes.receivers[0].name, False)]
    pages = ready.policies.pages(have["severity"][0])
    if as_json:
        typer.echo(json.dumps(_record(steps, told, receivers, pages)))
        return
    console = Console()
    for step in steps:
        answer = step.why_not or ("told here" if step.chosen else "a route below it fits")
        conditions = " and ".join(str(condition) for condition in step.route.match) or "everything"
        console.print(Text(f"{step.path}: {conditions}: {answer}"))
    for name, observe in told:
        receiver = receivers[name]
        sinks = ", ".join((*receiver.sinks, *(f"{pager} (wakes)" for pager in receiver.pagers))) or "no sink"
        mode = "observes only" if observe else "is told" if pages else "is told, and nobody is woken below page_from"
        console.print(Text(f"{name} {mode}: {sinks}", "bold"))


def _record(steps: Any, told: Any, receivers: Any, pages: bool) -> dict[str, Any]:
    return {
        "steps": [{"path": step.path, "why_not": step.why_not, "chosen": step.chosen} for step in steps],
        "receivers": [
            {
                "receiver": name,
                "observe": observe,
                "sinks": list(receivers[name].sinks),
                "pagers": list(receivers[name].pagers) if pages and not observe else [],
            }
            for name, observe in told
        ],
    }
