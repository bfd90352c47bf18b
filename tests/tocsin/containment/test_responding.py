"""The stage that acts: however it is ended, it ends."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerting.database.store import Store
from alerting.response.containment import Containment
from alerting.response.evidence import Known
from alerting.runbook import Runbooks
from stream.sqlite import SqliteLog
from tocsin.containment.responding import Responding


@pytest.fixture
def alerts(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'alerts.sqlite'}")
    yield store
    store.close()


def test_it_may_be_ended_while_it_begins_what_follows_from_denials(
    store: SqliteLog, alerts: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def known() -> Known:
        raise AssertionError("there is no incident")

    made = Responding(alerts, store, Containment(), Runbooks(), known, lambda denied: None, lambda: 1.0)
    wrong: list[BaseException] = []
    endings: list[threading.Thread] = []

    def end() -> None:
        try:
            made.end()
        except RuntimeError as error:
            wrong.append(error)

    class Begun(threading.Thread):
        """Somebody ends the stage between the thread's making and its start."""

        def start(self) -> None:
            if self.name == "tocsin-acting":
                endings.append(threading.Thread(target=end))
                endings[0].start()
                endings[0].join(0.2)  # it either fails at once, or waits for this thread to be begun
            super().start()

    monkeypatch.setattr("tocsin.containment.responding.threading.Thread", Begun)
    made.turn()
    endings[0].join(60)
    assert not endings[0].is_alive()
    assert wrong == []
