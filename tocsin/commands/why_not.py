"""`tocsin why-not`: why somebody was not told of an event."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from stream.errors import LockedError, UnavailableError
from tocsin.commands.options import ConfigOption, DataOption, JsonOption

app = typer.Typer()

POLL: Final = 0.3


@app.command("why-not", epilog="Example: tocsin why-not 7f3c9a12e0 --data tocsin-data")
def why_not(
    event: Annotated[str, typer.Argument(metavar="EVENT_ID", help="The event's id, or producer/run/seq.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Why nobody was told of an event: how it was judged, every counter against its bound, and what became of it.

    Asks the running Tocsin; where none runs, works on the data directory itself.
    """
    from tocsin.progress import shares_done

    with shares_done("working it out") as progress:
        answer = _answer(event, config, data, progress)
    if as_json:
        typer.echo(json.dumps(answer))
        return
    from tocsin.whynot.view import render

    render(Console(), answer)


def _answer(id_: str, config: Path | None, data: Path | None, progress: Callable[[float, str], None]) -> dict[str, Any]:
    from tocsin.client import connect

    try:
        client = connect(config, data)
        while True:
            told: dict[str, Any] = client.get("/why-not", event=id_)
            if told["done"]:
                report: dict[str, Any] = told["report"]
                return report
            progress(told["share"], told["doing"])
            time.sleep(POLL)
    except UnavailableError as error:
        if os.environ.get("TOCSIN_URL"):
            raise
        return _offline(id_, config, data, progress, error)


def _offline(
    id_: str, config: Path | None, data: Path | None, progress: Callable[[float, str], None], why: UnavailableError
) -> dict[str, Any]:
    """The answer from a data directory that no Tocsin owns; raises why none answered where there is no log either."""
    from alerting.database.store import MEMORY, Store
    from stream.log import EVENTS
    from stream.sqlite import EVENTS_FOLDER, open_log
    from tocsin.secrecy.encryption import columns_of, crypt_of
    from tocsin.setup import prepare
    from tocsin.whynot.answer import why_not
    from tocsin.whynot.inquiry import witness

    ready = prepare(config, data)
    if not (ready.data / EVENTS_FOLDER).is_dir():
        raise UnavailableError(
            why.what, where=why.where, hint=f"start `tocsin run`, or name a data directory; {ready.data} holds no log"
        )
    try:
        crypt = crypt_of(ready.masters, ready.data, time.time())
        with open_log(ready.data, reserve_bytes=0, crypt=crypt) as log:
            own = ready.data / "alerts.sqlite"
            there = own.exists() or not ready.database.startswith("sqlite")
            store = Store(ready.database, columns_of(crypt)) if there else Store(MEMORY)
            try:
                return why_not(
                    log,
                    store,
                    lambda: witness(ready.detectors, ready.data),
                    id_,
                    end=log.end(EVENTS),
                    progress=progress,
                )
            finally:
                store.close()
    except LockedError as error:
        raise LockedError(
            f"the Tocsin that owns the data directory does not answer ({why.what})",
            where=error.where,
            hint="name its configuration with --config, or its address with TOCSIN_URL",
        ) from error
