"""Dead letters over the real outbox and delivery."""

import pytest

from alerting.database.store import Store
from alerting.delivering.refused import refused, retry
from alerting.sink import Result
from stream.errors import RejectedError
from tests.alerting.delivering.test_delivery import Clock, a_delivery, fill, finish, rows
from tests.alerting.delivering.test_outbox import an_alert
from tests.alerting.world import NOON, RecordingSink

NO = Result("refused", "mapping conflict")


def test_what_was_refused_goes_out_again_with_the_last_word_behind_it(store: Store) -> None:
    sink = RecordingSink()
    fill(store, an_alert("a"), an_alert("a", "acknowledged", page=False), an_alert("a", "closed", page=False))
    sink.answers = [NO]
    finish(a_delivery(store, sink, Clock()))
    (letter,) = refused(store)
    assert (letter["title"], letter["why"], letter["attempts"]) == (an_alert("a").incident.title, NO.why, 1)
    assert [sent["id"] for sent in retry(store, NOON, ids=[letter["id"]])] == [letter["id"]]
    assert refused(store) == []
    finish(a_delivery(store, sink, Clock()))
    told = [alert.id for alert in sink.delivered]
    assert told == ["a.acknowledged", "a.closed", "a.opened", "a.closed"]
    assert sink.doubts[-1] == {"a.closed"}, "so that a sink which can look up leaves it as it is"
    assert {state for _, state, _ in rows(store)} == {"done"}


def test_what_is_refused_once_more_is_a_dead_letter_again(store: Store) -> None:
    sink = RecordingSink()
    fill(store, an_alert("a"))
    sink.answers = [NO, NO]
    finish(a_delivery(store, sink, Clock()))
    retry(store, NOON, sink="siem")
    finish(a_delivery(store, sink, Clock()))
    (letter,) = refused(store)
    assert letter["attempts"] == 2


def test_only_what_was_asked_for_goes_out_again(store: Store) -> None:
    for name in ("siem", "pager"):
        sink = RecordingSink()
        sink.answers = [NO, NO]
        fill(store, an_alert("a"), an_alert("b"), sinks=(name,))
        finish(a_delivery(store, sink, Clock(), name))
    first = refused(store, sink="siem")[-1]["id"]
    assert [letter["id"] for letter in retry(store, NOON, ids=[first])] == [first]
    assert len(retry(store, NOON, sink="pager")) == 2
    assert [letter["sink"] for letter in refused(store)] == ["siem"]
    assert len(retry(store, NOON)) == 1
    assert retry(store, NOON) == []


def test_an_id_that_is_none_sends_nothing(store: Store) -> None:
    sink = RecordingSink()
    fill(store, an_alert("a"))
    sink.answers = [NO]
    finish(a_delivery(store, sink, Clock()))
    (letter,) = refused(store)
    with pytest.raises(RejectedError, match="no dead letter 999"):
        retry(store, NOON, ids=[letter["id"], 999])
    assert len(refused(store)) == 1
