"""The alert task and two deliveries over a log, a database and files, to be killed at a crash point."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import msgspec

from alerting.alert import Alert
from alerting.database.store import Store
from alerting.deciding.policy import Policies
from alerting.delivering.delivery import Delivery
from alerting.routing.route import Receiver, Routes
from alerting.runbook import Runbooks
from alerting.sink import DONE, Result
from alerting.task import AlertTask
from alerting.wording.message import Messages
from stream.sqlite import open_log
from tests.alerting.world import NOON


class FileSink:
    """A line a delivered alert, on the disk before the answer."""

    name: ClassVar[str] = "file"
    pager: ClassVar[bool] = False
    Options: ClassVar[type] = msgspec.Struct

    def __init__(self, path: Path) -> None:
        self._path = path

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        with self._path.open("a") as file:
            for alert in alerts:
                line = {
                    "id": alert.id,
                    "incident": alert.incident.id,
                    "doubt": alert.id in in_doubt,
                    "text": alert.text,
                }
                file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return [DONE] * len(alerts)

    def close(self) -> None: ...


def run(folder: Path, database_url: str) -> None:
    """Fold everything that is in the log, two frames at a time, and deliver everything that is in the outbox."""
    routes = Routes((Receiver("on-call", sinks=("siem",), pagers=("pager",)),))
    with open_log(folder / "data", reserve_bytes=0) as log, closing(Store(database_url)) as store:
        task = AlertTask(log, store, Policies(), routes=routes, texts=Messages(Runbooks()))
        deliveries = [
            Delivery(store, name, FileSink(folder / name), clock=lambda: NOON + 10) for name in ("siem", "pager")
        ]
        busy = True
        while busy:
            busy = bool(task.advance(wait=0, limit=2))
            for delivery in deliveries:
                busy |= delivery.step() == 0


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2])
