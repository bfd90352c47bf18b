import io
import os
import sys
from contextlib import suppress

import pytest

from alerting.alert import Alert
from alerting.sink import DONE
from tests.alerting.sinks.place import make
from tests.alerting.sinks.samples import an_alert, an_incident


def written(capsys: pytest.CaptureFixture[str], *alerts: Alert) -> list[str]:
    sink = make("terminal", {"colour": False})
    sink.deliver(alerts, frozenset())
    sink.close()
    return capsys.readouterr().out.splitlines()


def test_an_alert_is_one_line_with_what_is_ours_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert written(capsys, an_alert(1)) == [
        "2026-11-21T12:00:01Z HIGH     PAGE opened i-1: Password spray from 203.0.113.9 "
        "(server=billing source_ip=203.0.113.9 tenant=acme)"
    ]


def test_no_value_passes_for_another_field(capsys: pytest.CaptureFixture[str]) -> None:
    forged = an_incident(entity={"user": 'bob" tenant=globex incident=i-99'}, tenant="acme")
    (line,) = written(capsys, an_alert(1, incident=forged))
    assert '(tenant=acme user="bob\' tenant=globex incident=i-99")' in line


def test_colour_is_used_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    sink = make("terminal", {"colour": True, "stream": "stderr"})
    sink.deliver([an_alert(1)], frozenset())
    captured = capsys.readouterr()
    assert "\x1b[" in captured.err
    assert captured.out == ""


def test_a_stream_that_is_gone_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    broken, closed = os.fdopen(writing, "w"), io.StringIO()
    closed.close()
    for stream in (broken, closed):
        monkeypatch.setattr(sys, "stdout", stream)
        results = make("terminal", {"colour": True}).deliver([an_alert(1), an_alert(2)], frozenset())
        monkeypatch.undo()
        assert [result.outcome for result in results] == ["retry", "retry"]
        assert "cannot write" in results[0].why
    with suppress(BrokenPipeError):
        broken.close()


def test_what_a_stream_cannot_encode_is_written_as_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert make("terminal", {}).deliver([an_alert(1, incident=an_incident(title="für"))], frozenset())[0] == DONE
    assert b"f\\xfcr" in raw.getvalue()
