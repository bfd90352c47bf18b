"""`tocsin demo`: real attacks on a real MCP server, and what becomes of them."""

import asyncio
import json
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from tocsin.commands.options import ConfigOption, JsonOption

app = typer.Typer()


@app.command(epilog="Example: tocsin demo --once --json")
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End after the attacks; exit code 0 only if all went well.")
    ] = False,
    config: ConfigOption = None,
    data: Annotated[Path, typer.Option("--data", "-d", help="The demo's own folder, made anew.")] = Path("tocsin-demo"),
    as_json: JsonOption = False,
) -> None:
    """Watch a password spray, a bulk export and a leak between tenants being caught, and ordinary work left alone.

    The sinks of a configuration given with --config really receive the alerts; everything else is the default.
    """
    from tocsin.demo.course import Course, result, run
    from tocsin.demo.view import view
    from tocsin.demo.world import DemoWorld
    from tocsin.scenarios.scenario import World

    errors = Console(stderr=True)
    folder = data.absolute()
    with DemoWorld(folder, _sinks(config), {}, lambda text: errors.print(Text(f"demo: {text}"))) as running:
        course = Course(began=time.time())
        watched = errors.is_terminal
        live = Live(view(course), console=errors, refresh_per_second=4, transient=True) if watched else nullcontext()
        with live as shown:
            changed = (lambda: shown.update(view(course))) if shown is not None else (lambda: None)
            asyncio.run(run(course, World(running.server), running.client, changed))
        outcome = result(course)
        if as_json:
            typer.echo(json.dumps(outcome))
        _report(errors, course, outcome, folder)
        if not once:
            _linger(errors)
    if once and not outcome["ok"]:
        raise typer.Exit(1)


def _sinks(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {"terminal": {"type": "terminal"}}
    from tocsin.setup import prepare

    prepared = prepare(config)
    told = prepared.loaded.document.tree or {}
    sections: dict[str, Any] = told.get("sinks") or {}
    return {name: _absolute(section, prepared.loaded.base) for name, section in sections.items()}


def _absolute(value: Any, base: Path) -> Any:
    """Sections with their files named from the root, since the demo's configuration lies elsewhere."""
    if isinstance(value, dict):
        return {
            key: str((base / item).absolute())
            if key in ("file", "ca") and isinstance(item, str)
            else _absolute(item, base)
            for key, item in value.items()
        }
    return value


def _report(console: Console, course: Any, outcome: dict[str, Any], folder: Path) -> None:
    from tocsin.demo.view import view
    from tocsin.incidents.view import render

    console.print(view(course))
    for attack in outcome["attacks"]:
        fate = (
            f"caught as {attack['class']}, paged after {attack['delay_s']} s"
            if attack["paged"]
            else ("caught, nobody told" if attack["caught"] else "NOT caught")
        )
        console.print(Text(f"{attack['id']:20} {fate}", "green" if attack["paged"] else "bold red"))
    benign = outcome["benign"]
    console.print(
        Text(
            f"{'ordinary work':20} {benign['events']} events, {benign['paged']} pages",
            "green" if not benign["paged"] else "bold red",
        )
    )
    opened = next((attack["incident"] for attack in outcome["attacks"] if attack["paged"]), None)
    if opened is not None:
        console.print(Text("\nOne of the incidents as whoever is on call sees it:", "bold"))
        render(console, course.details[opened])
    console.print(Text("\nLook further while it runs:", "bold"))
    where = f"--config {folder / 'tocsin.yaml'}"
    for line in (
        f"tocsin incident list {where}",
        f"tocsin incident show {(opened or 'ID')[:12]} {where}",
        f"tocsin search --since 5m {where}",
        f"tocsin verify {where}",
        "docs/architecture.md for how it works; README.md for your own server",
    ):
        console.print(Text(f"  {line}"))


def _linger(console: Console) -> None:
    console.print(Text("\nTocsin and the MCP server keep running. Ctrl-C ends the demo.", "bold"))
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print(Text("demo: ending"))
