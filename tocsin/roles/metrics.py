"""What a Tocsin on Kafka says of itself besides: lag, restores, partitions, dead letters, bytes under way."""

from collections.abc import Callable

from stream.errors import StorageError
from stream.kafka import KafkaLog
from stream.log import FINDINGS
from tocsin.roles.alert import Alerting
from tocsin.roles.detect import Detecting
from tocsin.upkeep.metrics import Metrics


def watch(
    metrics: Metrics,
    log: KafkaLog,
    detecting: Detecting | None,
    alerting: Alerting | None,
    clock: Callable[[], float],
) -> None:
    """Offer the values of the roles that this process has; `clock` gives seconds since the epoch."""
    metrics.watch("tocsin_kafka_in_flight_bytes", "Bytes that the brokers have not answered for", lambda: log.in_flight)
    metrics.watch("tocsin_dead_letters", "Records passed over since the start", lambda: log.dead_letters.count)
    if detecting is not None:
        metrics.watch("tocsin_partitions", "Partitions of events worked on", lambda: len(detecting.tasks))
        metrics.watch("tocsin_event_lag_frames", "Frames of these partitions not yet folded", lambda: _lag(detecting))
        metrics.watch("tocsin_wide_held", "Parts of wide entities that wait for slower partitions", detecting.held)
        metrics.watch("tocsin_partitions_waiting", "Partitions that stand at a boundary", detecting.waiting)
        metrics.watch("tocsin_restores", "Partitions taken over since the start", lambda: detecting.restored)
        metrics.watch("tocsin_restore_seconds", "What the last take-over took", lambda: detecting.restore_seconds)
        metrics.watch("tocsin_restoring", "Partitions that are being taken over", detecting.restoring)
        metrics.watch("tocsin_restoring_records", "Records of snapshots still to be read", lambda: log.restoring)
        metrics.watch("tocsin_replay_frames", "Frames to fold again before anything new is told", detecting.replay)
        metrics.watch("tocsin_clock_delay_seconds", "How far the slowest partition's clock is behind", detecting.delay)
        metrics.watch(
            "tocsin_state_bytes", "Bytes of snapshots that a take-over reads", lambda: detecting.sizes().whole
        )
        metrics.watch("tocsin_snapshot_bytes", "Bytes that the last snapshots brought", lambda: detecting.sizes().last)
        metrics.watch("tocsin_snapshot_seconds", "What the last snapshot took", lambda: detecting.save_seconds)
    if alerting is not None:
        metrics.watch("tocsin_decides", "1 while this process decides on findings", lambda: alerting.active)
        metrics.watch(
            "tocsin_findings_held", "Frames of findings that wait for slower partitions", lambda: _held(alerting)
        )
        metrics.watch(
            "tocsin_findings_unordered", "Times that findings did not wait any longer", lambda: alerting.impatient
        )
        metrics.watch(
            "tocsin_finding_lag_frames", "Frames of findings not yet decided", lambda: _finding_lag(log, alerting)
        )
        metrics.watch(
            "tocsin_decided_delay_seconds",
            "How far the clock of what was decided is behind",
            lambda: max(0.0, clock() - alerting.clock) if alerting.active and alerting.clock else 0.0,
        )


def _lag(detecting: Detecting) -> float:
    try:
        return detecting.lag()
    except StorageError:
        return float("nan")


def _held(alerting: Alerting) -> int:
    task = alerting.task
    return task.held if task is not None else 0


def _finding_lag(log: KafkaLog, alerting: Alerting) -> float:
    try:
        return max(0, log.end(FINDINGS) - alerting.decided) if alerting.active else 0
    except StorageError:
        return float("nan")
