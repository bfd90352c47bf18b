"""How a removal is shown: its steps as they come, and what they came to."""

import json
from collections.abc import Iterator
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerting.harmless import harmless
from stream.errors import StorageError, UnavailableError


def steps_of(lines: Iterator[dict[str, Any]], doing: str) -> list[dict[str, Any]]:
    """The steps of a job, with a sign of life on a terminal. Raises StorageError where the job stopped."""
    console = Console(stderr=True)
    steps: list[dict[str, Any]] = []
    with console.status(doing) as status:
        for line in lines:
            if "step" in line and "left" in line["step"]:
                status.update(f"{doing}: the brokers still have {line['step']['left']:,} records that were replaced")
            elif "step" in line:
                steps.append(line["step"])
                status.update(f"{doing}: {line['step']['kind']} {harmless(str(line['step'].get('what', '')), 60)}")
            elif "error" in line:
                raise StorageError(line["error"], where=line.get("where") or "", hint=line.get("hint") or "")
            else:
                return steps
    raise UnavailableError("the answer ended in the middle", hint="what was noted is carried out at the next start")


def tell(steps: list[dict[str, Any]], *, dry: bool, as_json: bool, nothing: str) -> None:
    """Show the steps: as one document, or as a table."""
    shown = [step for step in steps if step["kind"] != "receipt"]
    receipt = next((step for step in steps if step["kind"] == "receipt"), None)
    removed = sum(step["removed"] for step in shown)
    kept = sum(step.get("held", 0) for step in shown)
    if as_json:
        record = {"dry_run": dry, "removed": removed, "held": kept, "steps": shown}
        typer.echo(json.dumps({**record, **({"receipt": receipt} if receipt is not None else {})}))
        return
    console = Console()
    if not shown:
        console.print(Text(nothing))
    else:
        table = Table(box=None, pad_edge=False)
        for heading in ("class", "where", "would go" if dry else "removed", "held", "why"):
            table.add_column(heading, overflow="fold", justify="right" if heading in ("removed", "held") else "left")
        for step in shown:
            why = step.get("why") or step.get("waits") or ""
            what = f"{step.get('what', '')} {step.get('title', '')}".strip()
            table.add_row(
                step["kind"],
                Text(harmless(what, 120)),
                f"{step['removed']:,}",
                f"{step.get('held', 0):,}",
                Text(harmless(why, 200)),
            )
        console.print(table)
    if receipt is not None:
        console.print(Text(f"job {receipt['job']}; the ledger names the person by a digest: sha256 of", "dim"))
        console.print(Text(f"{receipt['salt']}, a zero byte, the tenant, a zero byte, the name", "dim"))
