"""What roles on Kafka say of themselves: ready once they are, restores, delays and sizes as they are."""

import json
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import Result

from collector.formats.native import parse_lines
from stream.decode import prepare
from stream.log import EVENTS
from stream.receipt import receive
from tests.services.kafka import fresh_log
from tests.tocsin.lines import guesses
from tests.tocsin.program import until
from tocsin.roles.log import create
from tocsin.roles.process import ALERT, DETECT, Roles
from tocsin.setup import prepare as prepare_config

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900), pytest.mark.xdist_group("kafka")]

LONG = 300.0
RULES = Path(__file__).parents[3] / "deploy" / "prometheus" / "tocsin.rules.yaml"


def page(roles: Roles) -> str:
    """What Prometheus is told."""
    return roles.metrics.page().decode()


def watched() -> set[str]:
    """The metrics that the alerts about Tocsin itself look at."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    found = {name for group in groups for rule in group["rules"] for name in re.findall(r"tocsin_\w+", rule["expr"])}
    assert len(found) > 5
    return found


def values(roles: Roles) -> dict[str, float]:
    """Its metrics without labels."""
    families = text_string_to_metric_families(page(roles))
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


def test_a_worker_says_how_far_it_is_and_what_a_take_over_takes(
    kafka_server: str, tocsin: Callable[..., Result]
) -> None:
    del tocsin  # it gives a folder of its own to work in
    began = time.time()
    address = fresh_log(kafka_server, f"t{secrets.token_hex(6)}", 2)
    settings = {
        "log": f"kafka://{kafka_server}/{address.prefix}",
        "data": "data",
        "kafka": {"partitions": 2, "replication": 1, "retention_days": 7},
        "snapshot_seconds": 0.5,
        "reserve": {"percent": 0, "gib": 0},
    }
    Path("tocsin.yaml").write_text(json.dumps(settings))
    ready = prepare_config(Path("tocsin.yaml"))
    create(ready.loaded, address)
    for turn in (1, 2):
        roles = Roles(ready, frozenset({DETECT, ALERT}))
        until(lambda roles=roles: values(roles)["tocsin_restoring"] == 2, "both partitions are ours", seconds=LONG)  # type: ignore[misc]  # bound now
        assert not roles.caught_up, "nobody has restored them yet"
        roles.start()
        try:
            until(lambda roles=roles: roles.caught_up, "it is ready", seconds=LONG)  # type: ignore[misc]  # bound now
            body = b"\n".join(json.dumps(one).encode() for one in guesses(time.time() - 50, user=f"user-{turn}"))
            made = parse_lines(body, body.split(b"\n"))
            assert made is not None
            prepare(made, body)
            roles.spread.append(EVENTS, receive(made, body, time.time(), source="test", digest=str(turn))).result(60)

            def settled(roles: Roles = roles) -> dict[str, float] | None:
                found = values(roles)
                folded = found["tocsin_event_lag_frames"] == 0 and roles.metrics.total_findings
                kept = found["tocsin_snapshot_bytes"] and found["tocsin_snapshot_seconds"]
                return found if folded and kept and found["tocsin_decides"] else None

            found = until(settled, "it is folded, decided and kept", seconds=LONG)
            assert found["tocsin_partitions"] == found["tocsin_restores"] == 2
            assert found["tocsin_restoring"] == found["tocsin_replay_frames"] == found["tocsin_restoring_records"] == 0
            assert found["tocsin_state_bytes"] >= found["tocsin_snapshot_bytes"] > 0
            assert 0 <= found["tocsin_clock_delay_seconds"] <= time.time() - began
            assert 0 <= found["tocsin_decided_delay_seconds"] <= time.time() - began + LONG
            assert found["tocsin_kafka_in_flight_bytes"] >= 0
            assert watched() <= {family.name for family in text_string_to_metric_families(page(roles))}
        finally:
            roles.stop()
