"""Syslog over TLS, TCP and UDP against a strict receiver, and CEF's escapes and bounds."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.sink import Sink
from alerting.wording.cef import CEF, SYSLOG, message
from stream.errors import ConfigError
from stream.finding import SEVERITIES, Severity
from tests.alerting.sinks.hostile import CORPUS, ESCAPES
from tests.alerting.sinks.place import make
from tests.alerting.sinks.place_syslog import SyslogPlace, place
from tests.alerting.sinks.samples import NOON, a_hostile_alert, an_alert, an_incident
from tests.services.certificates import loopback_certificates
from tests.services.syslog import SmallSyslog, parse
from tests.tocsin.program import until


@pytest.fixture
def here(request: pytest.FixtureRequest) -> Iterator[SyslogPlace]:
    with place(request) as found:
        yield found


@pytest.fixture
def plain() -> Iterator[SmallSyslog]:
    with SmallSyslog() as running:
        yield running


def over(service: SmallSyslog, transport: str = "tcp", **options: Any) -> Sink:
    return make("syslog", {"host": "127.0.0.1", "port": service.port, "transport": transport} | options)


def test_a_message_says_what_on_call_needs_in_cefs_own_fields(here: SyslogPlace) -> None:
    sink = here.sink()
    sink.deliver([an_alert(1)], frozenset())
    (found,) = here.service.messages
    assert (found.facility, found.severity) == (20, 3)
    assert found.header[:2] == ("Tocsin", "Tocsin")
    assert found.header[3:] == ("auth-opened", "HIGH [acme] Password spray from 203.0.113.9", "8")
    assert found.extension["src"] == "203.0.113.9"
    assert found.extension["start"] == str(int(NOON * 1000))
    assert found.extension["externalId"] == "i-1"
    assert found.extension["dhost"] == "billing"


@pytest.mark.parametrize("severity", SEVERITIES)
def test_severities_are_mapped_both_ways(severity: Severity) -> None:
    alert = an_alert(1, incident=an_incident("i-1", severity=severity))
    found = parse(message(alert, facility=16, host="h", repeated=False, limit=8192))
    assert (found.severity, found.header[5]) == (SYSLOG[severity], str(CEF[severity]))
    assert found.facility == 16


def test_severities_rise_together() -> None:
    assert sorted(CEF.values()) == [CEF[severity] for severity in SEVERITIES]
    assert sorted(SYSLOG.values(), reverse=True) == [SYSLOG[severity] for severity in SEVERITIES]


@given(
    words=st.one_of(st.text(max_size=300), st.sampled_from(CORPUS), st.text(alphabet="\\|=\n\r abc[]", max_size=60)),
    limit=st.integers(480, 9000),
    host=st.text(max_size=300),
)
def test_no_words_break_a_field_and_no_message_is_too_long(words: str, limit: int, host: str) -> None:
    made = message(a_hostile_alert(1, words), facility=20, host=host, repeated=True, limit=limit)
    assert len(made) <= limit
    found = parse(made)
    assert found.extension["externalId"] == "i-1"
    assert found.extension["cs6"] == "true"
    assert not ESCAPES.search(made.decode())


def test_a_datagram_is_a_message_of_a_size_that_receivers_take() -> None:
    with SmallSyslog(udp=True) as service:
        sink = over(service, "udp")
        alerts = [a_hostile_alert(number, words) for number, words in enumerate(CORPUS)]
        assert {result.outcome for result in sink.deliver(alerts, frozenset())} == {"done"}
        until(lambda: len(service.messages) + len(service.faults) == len(alerts), "all datagrams")
        assert service.faults == []


@pytest.mark.parametrize("behaviour", ["silent", "reset", "deaf"])
@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_what_was_not_read_to_the_end_is_sent_again(
    tmp_path: Path, behaviour: Literal["silent", "reset", "deaf"], secure: bool
) -> None:
    certificates = loopback_certificates(tmp_path)
    with SmallSyslog(certificates.server if secure else None) as service:
        service.behaviour = behaviour
        options = {"ca": str(certificates.authority)} if secure else {}
        sink = over(service, "tls" if secure else "tcp", timeout=0.5, **options)
        alerts = [an_alert(number) for number in range(50)]
        results = sink.deliver(alerts, frozenset())
        assert {result.outcome for result in results} == {"retry"}
        assert all(result.why for result in results)


def test_nobody_there_is_tried_again() -> None:
    with SmallSyslog() as gone:
        sink = over(gone)
    assert [result.outcome for result in sink.deliver([an_alert(1), an_alert(2)], frozenset())] == ["retry"] * 2
    nowhere = make("syslog", {"host": "no-such-host.invalid", "transport": "udp"})
    assert [result.outcome for result in nowhere.deliver([an_alert(1)], frozenset())] == ["retry"]


def test_a_stranger_with_another_certificate_gets_nothing(here: SyslogPlace, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = loopback_certificates(tmp_path / "other")
    (result,) = here.sink(ca=str(other.authority)).deliver([an_alert(1)], frozenset())
    assert result.outcome == "retry"
    assert "certificate" in result.why.lower()
    assert here.service.messages == []


def test_we_show_our_own_certificate_where_it_is_asked_for(tmp_path: Path) -> None:
    certificates = loopback_certificates(tmp_path)
    certificates.server.verify_mode = ssl.CERT_REQUIRED
    certificates.server.load_verify_locations(certificates.authority)
    with SmallSyslog(certificates.server) as service:
        options = {"ca": str(certificates.authority), "timeout": 5.0}
        known = over(service, "tls", certificate=str(tmp_path / "server.pem"), **options)
        assert [result.outcome for result in known.deliver([an_alert(1)], frozenset())] == ["done"]
        (result,) = over(service, "tls", **options).deliver([an_alert(2)], frozenset())
        assert result.outcome == "retry"
    with pytest.raises(ConfigError, match="cannot be used"):
        make("syslog", {"host": "h", "certificate": str(tmp_path / "nowhere.pem")})


def test_without_confirming_a_receiver_that_keeps_connections_is_fine(plain: SmallSyslog) -> None:
    plain.behaviour = "silent"
    (result,) = over(plain, confirm=False).deliver([an_alert(1)], frozenset())
    assert result.outcome == "done"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"port": 0}, "port"),
        ({"max_bytes": 100}, "480"),
        ({"transport": "udp", "ca": "x.pem"}, "transport: tls"),
        ({"facility": "kern"}, "facility"),
    ],
)
def test_options_that_cannot_work_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        make("syslog", {"host": "siem.example"} | changes)
