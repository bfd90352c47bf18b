"""The ledger of a log on Kafka: one process seals, and `tocsin verify` finds what is not what was sealed."""

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from stream.frame import Header, pack
from stream.kafka import KafkaLog
from stream.log import EVENTS, Stream
from stream.salt import fresh_salt
from tests.services.kafka import fresh_log
from tests.tocsin.program import until
from tocsin.roles.process import SEAL, Roles
from tocsin.setup import prepare

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

Call = Callable[..., Result]


def append(log: KafkaLog, partition: int, number: int) -> None:
    line = b'{"time":%d,"server":"s","method":"m","id":"%d"}' % (time.time(), number)
    header = Header(received=time.time(), count=1, first=time.time(), last=time.time(), source="test")
    log.append(Stream(EVENTS.name, partition), pack(header, line)).result(30)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_all_partitions_are_sealed_by_one_and_verified(kafka_server: str, tocsin: Call, encrypted: bool) -> None:
    from tocsin.roles.log import create, crypt_for

    address = fresh_log(kafka_server, f"t{secrets.token_hex(6)}", 2)
    settings = {
        "log": f"kafka://{kafka_server}/{address.prefix}",
        "data": "data",
        "kafka": {"partitions": 2, "replication": 1, "retention_days": 7},
        "ledger": {"seal_seconds": 0.3, "anchors": {"vault": {"type": "file", "path": "vault.ndjson"}}},
        "reserve": {"percent": 0, "gib": 0},
    }
    if encrypted:
        assert tocsin("keys", "master", "master").exit_code == 0
        settings["encrypt"] = {"key": {"file": "master"}}
    Path("tocsin.yaml").write_text(json.dumps(settings))
    ready = prepare(Path("tocsin.yaml"))
    create(ready.loaded, address)
    with KafkaLog(address, salt=fresh_salt, crypt=crypt_for(ready.loaded)) as log:
        for start in (0, 20):
            roles = Roles(ready, frozenset({SEAL}))
            roles.start()
            for number in range(start, start + 20):
                append(log, number % 2, number)
            _until_sealed(roles, start + 20)
            roles.stop()
        done = tocsin("verify", "--public-key", "data/ledger.pub", "--checkpoint", "vault.ndjson", "--json")
        told = json.loads(done.stdout)
        assert told["ok"], told["faults"]
        events = [one for one in told["ledger"]["streams"] if one["stream"] == "events"]
        assert [(one["partition"], one["sealed"], one["unsealed"]) for one in events] == [(0, 20, 0), (1, 20, 0)]
        _prove(tocsin)
        append(log, 1, 99)
        told = json.loads(tocsin("verify", "--json").stdout)
        assert [one["unsealed"] for one in told["ledger"]["streams"][:2]] == [0, 1]


def _prove(tocsin: Call) -> None:
    """Proofs of some events, and of a stretch of time, are good for whoever has the public key alone."""
    outside = ("--public-key", "data/ledger.pub", "--checkpoint", "vault.ndjson")
    done = tocsin("verify", "--event", "7", "--event", "32", "--export", "events.ndjson", *outside)
    assert done.exit_code == 0, done.output
    proof = Path("events.ndjson").read_text()
    assert r"\"id\":\"7\"" in proof
    assert r"\"id\":\"8\"" not in proof, "others' events are hashes in it"
    told = json.loads(tocsin("verify", "events.ndjson", *outside, "--json").stdout)
    shown = [(one["stream"], one["partition"], json.loads(one["text"])["id"]) for one in told["shown"]]
    assert sorted(shown) == [("events", 0, "32"), ("events", 1, "7")]
    assert tocsin("verify", "--since", "1h", "--export", "hour.ndjson", *outside).exit_code == 0
    told = json.loads(tocsin("verify", "hour.ndjson", *outside, "--json").stdout)
    assert len([one for one in told["shown"] if one["stream"] == "events"]) == 40
    missing = tocsin("verify", "--event", "none", "--export", "none.ndjson", *outside)
    assert "not in the log: none" in missing.output
    Path("forged.ndjson").write_text(proof.replace(r"\"id\":\"7\"", r"\"id\":\"9\""))
    assert tocsin("verify", "forged.ndjson", *outside).exit_code == 1


def _until_sealed(roles: Roles, frames: int) -> None:
    def look() -> bool:
        sealing = roles.sealers.sealing if roles.sealers is not None else None
        return sealing is not None and sum(sealing.ledger.next(EVENTS.name, number) for number in (0, 1)) >= frames

    until(look, "all of it is sealed")
