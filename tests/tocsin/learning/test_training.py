"""Training: the forest that travels asks what scikit-learn's asks, and a model that fails its trial stays away."""

import random
import subprocess
import sys
import time
from typing import Any

import numpy
import pandas
import pytest
from sklearn.ensemble import IsolationForest

from detectors.outlier import LIMIT, NAME, Outlier
from detectors.outliers.habits import FEATURES
from detectors.parts.forest import DEPTH, digest, forest_of
from stream.control import DECODER, ENCODER, Model
from stream.directory import EMPTY
from stream.log import EVENTS
from stream.sqlite import SqliteLog
from tests.detectors.streams import DAY, HOUR, START, event, frames
from tocsin.learning.nightly import Nightly, train_now
from tocsin.learning.training import SAMPLES, TREES, average, grow, seed, summary, train
from tocsin_audit.event import AuditEvent

NOW = START + 20 * DAY


def sheet(rows: int, *, tenant: str = "acme", days: int = 20, shift: float = 0.0) -> pandas.DataFrame:
    """Ordinary hours of a tenant; those of the last two days lie off by a shift."""
    chance = numpy.random.default_rng(4)
    values = chance.normal(0, 200, (rows, len(FEATURES))).round().astype(int)
    day = numpy.sort(chance.integers(int(START) // 86_400, int(START) // 86_400 + days, rows))
    values[day >= int(NOW) // 86_400 - 2] += int(shift)
    made = pandas.DataFrame(values, columns=list(FEATURES))
    made.insert(0, "day", day)
    made.insert(0, "tenant", tenant)
    return made


def test_the_forest_of_whole_numbers_ranks_as_scikit_learn_does() -> None:
    samples = sheet(900)[list(FEATURES)].to_numpy()
    forest = grow(samples, 7)
    model = IsolationForest(n_estimators=TREES, max_samples=SAMPLES, random_state=7).fit(samples)
    theirs = -numpy.log2(-model.score_samples(samples)) * average(SAMPLES)
    ours = numpy.array([forest.depth(sample) / DEPTH for sample in samples.tolist()])
    assert numpy.abs(theirs - ours).max() < 0.05, "the mean depths agree to a twentieth of a cut"


def test_the_same_table_gives_the_same_models_with_their_digest() -> None:
    one, again = (next(iter(train(sheet(800), NOW, 0.001))).model for _ in range(2))
    assert one is not None
    assert one == again
    assert one.digest == digest(one.arrays)
    assert one.since == (int(NOW) // 3_600 + 2) * 3_600
    assert DECODER.decode(ENCODER.encode(one)) == one
    forest_of(one.arrays, one.digest, len(FEATURES))
    assert seed("acme", 1) != seed("globex", 1) != seed("globex", 2)


def test_about_the_share_that_was_asked_for_is_odd() -> None:
    table = sheet(3_000)
    (outcome,) = train(table, NOW, 0.01)
    assert outcome.model is not None
    forest = forest_of(outcome.model.arrays, outcome.model.digest, len(FEATURES))
    odd = sum(
        forest.depth(sample) <= outcome.model.about[LIMIT] for sample in table[list(FEATURES)].to_numpy().tolist()
    )
    assert 0.003 < odd / len(table) < 0.03


def test_a_tenant_with_few_hours_gets_none_and_one_that_changed_keeps_the_one_before() -> None:
    whole = pandas.concat([sheet(50, tenant="tiny"), sheet(900, tenant="moved", shift=4_000), sheet(900)])
    outcomes = {outcome.tenant: outcome for outcome in train(whole, NOW, 0.001)}
    assert outcomes["acme"].model is not None
    assert outcomes["tiny"].model is None
    assert "too few" in outcomes["tiny"].why
    assert outcomes["moved"].model is None
    assert "held-back hours are odd" in outcomes["moved"].why
    assert summary(outcomes.values()) == {"trained": 1, "too_few": 1, "kept": 1}


def work() -> list[AuditEvent]:
    chance = random.Random(3)
    return [
        event(
            day * DAY + hour * HOUR + chance.uniform(0, 3_599),
            user=f"u{clerk}",
            target=chance.choice("abc"),
            rows=chance.randrange(9),
        )
        for day in range(20)
        for hour in range(9, 14)
        for clerk in range(6)
        for _ in range(3)
    ]


def test_the_log_is_trained_from_and_told(store: SqliteLog) -> None:
    for record in frames(sorted(work(), key=lambda one: one.time)):
        store.append(EVENTS, record.frame).result()
    told: list[Model] = []
    (outcome,) = train_now(store, EMPTY, Outlier(), NOW, told.append)
    assert told == [outcome.model]
    assert told[0].detector == NAME
    assert told[0].about["rows"] > 300


@pytest.mark.parametrize("runs", [True, False])
def test_the_night_is_planned_only_where_the_detector_runs(store: SqliteLog, runs: bool) -> None:
    nightly = Nightly(store, lambda: EMPTY, (Outlier({"train_hour": 4.0}),) if runs else (), time.time, lambda _: None)
    nightly.start()
    try:
        planned: Any = nightly.planned
        assert (planned is not None) is runs
        if runs:
            assert planned.hour in (3, 4), "around four, spread by a quarter of an hour"
    finally:
        nightly.stop()


def test_what_only_a_training_needs_is_not_imported_before() -> None:
    heavy = "{'pandas', 'sklearn', 'numpy', 'apscheduler'}"
    look = f"import sys, tocsin.runtime; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
