"""`tocsin detect`: fold the partitions of Kafka that the group gives this process, or history beside those who do."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer()


@app.command(epilog="Example: tocsin detect --shadow --from 7d --config with-my-rule.yaml")
def detect(
    config: ConfigOption = None,
    data: DataOption = None,
    shadow: Annotated[
        bool,
        typer.Option("--shadow", help="Fold history beside the live workers and show the difference in incidents."),
    ] = False,
    since: Annotated[
        str | None, typer.Option("--from", help="With --shadow: from when to compare; a moment, or 7d for so long ago.")
    ] = None,
    learn: Annotated[
        str, typer.Option(help="With --shadow: how much history before that is folded, for what has to be learned.")
    ] = "14d",
    as_json: JsonOption = False,
) -> None:
    """Fold events into findings until SIGTERM or Ctrl-C; the partitions are shared among all that run this.

    A worker that ends hands over with a snapshot; one that dies is taken over from by replay. Nothing is lost or said
    twice.

    With --shadow nothing is written and nobody is told: what the detectors and rules of the configuration would have
    found since a moment is compared with what stands in the log. Exit code 1 where that differs.
    """
    if shadow:
        raise typer.Exit(_shadow(config, data, since, learn, as_json=as_json))
    if since is not None or as_json:
        raise typer.BadParameter("--from and --json belong to --shadow")

    from tocsin.roles.process import DETECT
    from tocsin.roles.start import start

    raise typer.Exit(start(frozenset({DETECT}), config, data))


def _shadow(config: Path | None, data: Path | None, since: str | None, learn: str, *, as_json: bool) -> int:
    from stream.errors import RejectedError
    from stream.kafka import KafkaLog
    from tocsin.history.shadow import compare
    from tocsin.moments import duration, moment
    from tocsin.progress import shares_done
    from tocsin.roles.log import address_of, crypt_for
    from tocsin.setup import prepare
    from tocsin.upkeep.cycles import spare

    if since is None:
        raise typer.BadParameter("--shadow needs --from: a moment such as 2026-11-20T08:00:00Z, or 7d for so long ago")
    before = duration(learn)
    if before is None:
        raise typer.BadParameter(f"'{learn}' is no length of time; write 14d, 36h or 0s", param_hint="--learn")
    now = time.time()
    try:
        begin = moment(since, now)
    except RejectedError as error:
        raise typer.BadParameter(f"{error.what}; {error.hint}", param_hint="--from") from None
    ready = prepare(config, data)
    spare()
    with KafkaLog(address_of(ready.loaded), crypt=crypt_for(ready.loaded)) as log, shares_done("shadow") as progress:
        found = compare(log, ready, begin, now, before, progress)
    if as_json:
        typer.echo(json.dumps(found.as_json()))
    else:
        shown = Console()
        for name, side in (("live", found.live), ("shadow", found.shadow)):
            shown.print(f"{name}: {len(side.incidents):,} incidents, {side.findings:,} findings, {side.pages:,} pages")
        table = Table(box=None, pad_edge=False)
        for column in ("", "incident", "tenant", "family", "about", "severity", "findings", "pages"):
            table.add_column(column)
        rows = [("new", one) for one in found.new] + [("gone", one) for one in found.gone]
        for live, other in found.changed:
            rows += [("was", live), ("is", other)]
        for what, one in rows:
            about = ", ".join(f"{key} {value}" for key, value in one.entity.items())
            count, pages = str(len(one.findings)), "yes" if one.paged else "no"
            table.add_row(what, one.id[:12], one.tenant or "-", one.family, about, one.severity, count, pages)
        if rows:
            shown.print(table, markup=False)
        else:
            shown.print("no difference")
    return 1 if found.new or found.gone or found.changed else 0
