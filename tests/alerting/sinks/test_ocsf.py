"""OCSF: the mapping, and a file that loses and doubles nothing."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.sink import Sink
from alerting.wording.ocsf import events
from tests.alerting.sinks.hostile import CORPUS, ESCAPES, FORMULA, LIVE
from tests.alerting.sinks.place import make, strings
from tests.alerting.sinks.place_ocsf import prose
from tests.alerting.sinks.samples import NOON, a_finding, a_hostile_alert, an_alert, an_incident
from tests.services.ocsf import check


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def ids(path: Path) -> list[str]:
    return [event["metadata"]["uid"] for event in lines(path)]


def into(path: Path, **options: Any) -> Sink:
    return make("ocsf", {"path": str(path)} | options)


def test_an_alert_is_a_detection_and_an_incident_finding() -> None:
    detection, incident = events(an_alert(1))
    assert (detection["class_uid"], detection["type_uid"], detection["severity_id"]) == (2004, 200401, 4)
    assert detection["finding_info"]["attacks"] == [
        {"technique": {"uid": "T1110"}, "sub_technique": {"uid": "T1110.003"}}
    ]
    assert detection["evidences"][0]["src_endpoint"] == {"ip": "203.0.113.9"}
    assert detection["finding_info"]["related_events"] == [{"uid": "e1"}, {"uid": "e2"}]
    assert (incident["class_uid"], incident["type_uid"], incident["status_id"]) == (2005, 200501, 1)
    assert incident["start_time"] == round(NOON * 1000)


def test_its_life_is_told_in_ocsfs_numbers() -> None:
    closed = an_incident("i-1", status="closed", verdict="true", acknowledged_by="sam")
    (event,) = events(an_alert(1, "closed", 4, incident=closed))
    assert (event["activity_id"], event["status_id"], event["verdict_id"]) == (3, 5, 2)
    assert event["assignee"] == {"name": "sam"}


@given(st.one_of(st.text(max_size=300), st.sampled_from(CORPUS)))
def test_whatever_is_in_it_it_is_valid_and_harmless(words: str) -> None:
    made = events(a_hostile_alert(1, words))
    assert [check(event) for event in made] == ["", ""]
    assert not any(ESCAPES.search(text.replace("\n", " ")) for text in strings(made))
    for text in prose(made):
        assert not any(LIVE.search(line) or FORMULA.match(line) for line in text.split("\n"))


def test_a_file_has_each_event_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "made" / "alerts.ndjson"
    sink = into(path)
    alerts = [a_hostile_alert(number, words) for number, words in enumerate(CORPUS)]
    assert {result.outcome for result in sink.deliver(alerts, frozenset())} == {"done"}
    assert [event["unmapped"]["incident"] for event in lines(path) if event["class_uid"] == 2005] == [
        alert.incident.id for alert in alerts
    ]
    assert {check(event) for event in lines(path)} == {""}
    assert path.stat().st_mode & 0o007 == 0


def test_what_is_in_doubt_is_looked_up_in_the_file_and_in_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "alerts.ndjson"
    sink = into(path)
    first, second = an_alert(1), an_alert(2)
    sink.deliver([first], frozenset())
    path.rename(tmp_path / "alerts.ndjson.1")
    results = sink.deliver([first, second], frozenset({first.id, second.id}))
    assert [(result.outcome, result.repeated) for result in results] == [("done", False)] * 2
    assert ids(path) == ["f-2", "i-2:1"]
    assert ids(tmp_path / "alerts.ndjson.1") == ["f-1", "i-1:1"]


def test_a_line_that_a_crash_tore_is_ended_and_its_alert_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "alerts.ndjson"
    sink = into(path)
    sink.deliver([an_alert(1), an_alert(2)], frozenset())
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    sink.deliver([an_alert(2)], frozenset({"i-2:1"}))
    good = [line for line in path.read_bytes().splitlines() if line.endswith(b"}") and msgspec.json.decode(line)]
    assert [msgspec.json.decode(line)["metadata"]["uid"] for line in good] == ["f-1", "i-1:1", "f-2", "f-2", "i-2:1"]


def test_a_full_file_is_put_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "alerts.ndjson"
    sink = into(path, max_mib=1, keep=2)
    large = a_finding(observed="x" * 500, why="y" * 2000, event_ids=("e" * 250,) * 20)
    for number in range(40):
        batch = [an_alert(number * 100 + one, findings=(large,)) for one in range(10)]
        sink.deliver(batch, frozenset())
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["alerts.ndjson", "alerts.ndjson.1", "alerts.ndjson.2"]
    assert all(file.stat().st_size < 1.3 * 1024**2 for file in tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")
    sink = into(tmp_path / "in the way" / "alerts.ndjson")
    results = sink.deliver([an_alert(1), an_alert(2)], frozenset({"i-1:1"}))
    assert [result.outcome for result in results] == ["retry", "retry"]
    assert "in the way" in results[0].why


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "either path or url"),
        ({"path": "a", "url": "https://b.example"}, "either path or url"),
        ({"url": "http://b.example", "headers": {"A": "b"}}, "https://"),
        ({"url": "b.example"}, "https://"),
        ({"path": "a", "keep": 0}, "1 or more"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        make("ocsf", options)
