"""Being let in by a real broker that asks for TLS, a login or a certificate, and what is said to who is not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from stream.broker import client as kafka_client
from stream.broker import topics as kafka_topics
from stream.broker.address import PASSWORD_VARIABLE, parse_address
from stream.errors import ConfigError
from stream.kafka import KafkaLog
from stream.log import EVENTS
from tests.services.certificates import loopback_certificates
from tests.services.kafka import OwnBroker
from tests.services.postgres import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

RIGHT, WRONG = "right-password", "wrong-password"


class Guarded(NamedTuple):
    """A broker that lets nobody in without ado: host:port for logins, host:port for certificates, its files."""

    login: str
    mutual: str
    authority: Path
    pair: Path


@pytest.fixture(scope="module")
def guarded(kafka_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    authority = loopback_certificates(folder).authority
    pair = folder / "server.pem"
    login, mutual = free_port(), free_port()
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    broker = OwnBroker(
        folder / "broker",
        (
            f"listeners=PLAINTEXT://127.0.0.1:PORT,SASL_SSL://127.0.0.1:{login},SSL://127.0.0.1:{mutual}"
            ",CONTROLLER://127.0.0.1:PORT1",
            f"advertised.listeners=PLAINTEXT://127.0.0.1:PORT,SASL_SSL://127.0.0.1:{login},SSL://127.0.0.1:{mutual}",
            "sasl.enabled.mechanisms=SCRAM-SHA-512",
            f"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram}",
            "ssl.keystore.type=PEM",
            f"ssl.keystore.location={pair}",
            "ssl.truststore.type=PEM",
            f"ssl.truststore.location={authority}",
            "listener.name.ssl.ssl.client.auth=required",
        ),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORMAT_OPTIONS", f"--add-scram SCRAM-SHA-512=[name=tocsin,password={RIGHT}]")
        broker.start()
    yield Guarded(f"127.0.0.1:{login}", f"127.0.0.1:{mutual}", authority, pair)
    broker.kill()


def refused(url: str, password: str = "") -> str:
    """What is said to who is not let in; in a process of its own, since the client leaves its sockets behind."""
    program = f"""
import sys
from stream.broker import client as kafka_client
from stream.errors import TocsinError
from stream.broker.address import parse_address
try:
    kafka_client.consumer(parse_address(sys.argv[1], {{{PASSWORD_VARIABLE!r}: sys.argv[2]}}), bootstrap_timeout_ms=3000)
except TocsinError as error:
    print(error)
"""
    command = [sys.executable, "-c", program, url, password]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_user_with_the_right_password_keeps_a_log_over_tls(guarded: Guarded) -> None:
    url = f"kafka://{guarded.login}/secured?ca={guarded.authority}&user=tocsin"
    address = parse_address(url, {PASSWORD_VARIABLE: RIGHT})
    kafka_topics.create(address, kafka_topics.wanted(address, 1, 1), 1)
    with KafkaLog(address) as log:
        assert log.read(EVENTS, 0) == ()
    assert RIGHT not in address.where


def test_a_wrong_password_is_told_as_that(guarded: Guarded) -> None:
    told = refused(f"kafka://{guarded.login}/secured?ca={guarded.authority}&user=tocsin", WRONG)
    assert "Kafka refuses the login of 'tocsin' by SCRAM-SHA-512" in told
    assert "check user and password" in told
    assert WRONG not in told


def test_a_certificate_that_nobody_vouches_for_is_told_as_that(guarded: Guarded, tmp_path: Path) -> None:
    stranger = loopback_certificates(tmp_path).authority
    told = refused(f"kafka://{guarded.login}/secured?ca={stranger}&user=tocsin", RIGHT)
    assert "no Kafka broker can be reached" in told
    assert "certificate verify failed" in told.lower()


def test_who_speaks_plainly_where_tls_is_asked_for_is_told_what_may_be_missing(guarded: Guarded) -> None:
    told = refused(f"kafka://{guarded.login}/secured")
    assert "not as Kafka" in told
    assert "ca=PATH" in told


def test_a_certificate_of_ones_own_opens_where_it_is_asked_for(guarded: Guarded) -> None:
    url = f"kafka://{guarded.mutual}/mutual?ca={guarded.authority}"
    kafka_client.consumer(parse_address(f"{url}&certificate={guarded.pair}", {})).close()
    assert refused(url) != ""


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("redis://h/x", "not one of Kafka"),
        ("kafka://u:p@h/x", "credentials do not belong"),
        ("kafka://h:99999/x", "is not host:port"),
        ("kafka://h/a b", "topics cannot begin"),
        ("kafka://h/x?usr=a", "no option 'usr'"),
        ("kafka://h/x?user=a", "no password"),
        ("kafka://h/x?user=a&mechanism=GSSAPI", "no mechanism"),
        ("kafka://h/x?ca=/no/such/file", "cannot be used"),
        ("kafka://h/x?key=k.pem", "not"),
    ],
)
def test_an_address_that_cannot_be_says_what_is_wrong(url: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as told:
        parse_address(url, {})
    assert told.value.hint
