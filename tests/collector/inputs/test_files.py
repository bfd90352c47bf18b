"""Files are read once, whatever is done to them: renamed, copied, cut off, compressed, deleted, or read half-way."""

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from collector.input import LONGEST
from collector.inputs.files import Files, FilesOptions
from collector.tailing.cut import cut
from collector.tailing.position import Position
from stream.errors import StorageError


def line(number: int, **more: Any) -> bytes:
    fields = {"time": 1_763_700_000 + number, "server": "crm", "method": "tools/call", "target": f"t{number}", **more}
    return msgspec.json.encode(fields) + b"\n"


def lines(first: int, last: int) -> bytes:
    return b"".join(line(number) for number in range(first, last))


class Logs:
    """A folder of logs and the input that follows it."""

    def __init__(self, bench: Any, folder: Path, **options: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.bench = bench
        self.folder = folder
        self.log = folder / "app.log"
        self._options = FilesOptions(**{"paths": (f"{folder}/app.log*",), "every": 0.05, **options})
        self.input: Any = bench.input(Files, self._options)
        self.input.wake()  # nothing waits
        bench.closing.callback(lambda: self.input.close())

    def restart(self) -> None:
        """Go on as after a kill: nothing but what is durable is left."""
        self.input.close()
        self.input = self.bench.input(Files, self._options)
        self.input.wake()

    def write(self, data: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(data)

    def turn(self, times: int = 2) -> None:
        for _ in range(times):
            self.input.turn()

    def later(self, seconds: float = 10) -> None:
        """Let all files be old enough to be complete."""
        self.bench.now += seconds
        self.turn()

    def targets(self) -> list[str]:
        return [event.target for event in self.bench.stored()]


def names(first: int, last: int) -> list[str]:
    return [f"t{number}" for number in range(first, last)]


@pytest.fixture
def logs(bench: Any, tmp_path: Path) -> Logs:
    return Logs(bench, tmp_path / "logs")


def test_lines_are_taken_as_they_are_written(logs: Logs) -> None:
    logs.write(lines(0, 3))
    logs.turn()
    logs.write(lines(3, 5))
    logs.turn()
    assert logs.targets() == names(0, 5)


def test_half_a_line_waits_for_its_end(logs: Logs) -> None:
    whole = line(1)
    logs.write(line(0) + whole[:20])
    logs.later()
    assert logs.targets() == ["t0"]
    logs.write(whole[20:])
    logs.turn()
    assert logs.targets() == ["t0", "t1"]


def test_a_renamed_file_is_read_to_its_end_and_the_new_one_from_its_beginning(logs: Logs) -> None:
    logs.write(lines(0, 3))
    logs.turn()
    logs.write(lines(3, 4))
    logs.log.rename(logs.folder / "app.log.1")
    logs.write(lines(4, 6))
    logs.turn()
    (logs.folder / "app.log.1").rename(logs.folder / "app.log.2")
    logs.log.rename(logs.folder / "app.log.1")
    logs.write(lines(6, 7))
    logs.turn()
    assert sorted(logs.targets()) == names(0, 7)


def test_a_file_renamed_out_of_sight_while_it_was_down_is_read_to_its_end(logs: Logs) -> None:
    logs.write(lines(0, 3))
    logs.turn()
    logs.write(lines(3, 5))
    logs.log.rename(logs.folder / "old-app")
    logs.write(lines(5, 6))
    logs.restart()
    logs.turn()
    assert sorted(logs.targets()) == names(0, 6)


def test_the_last_line_of_a_file_that_was_put_away_needs_no_line_end(logs: Logs) -> None:
    logs.write(line(0) + line(1).rstrip())
    logs.turn()
    logs.log.rename(logs.folder / "app.log.1")
    logs.write(line(2))
    logs.later()
    assert sorted(logs.targets()) == names(0, 3)


def test_a_copied_and_cut_off_file_counts_once(logs: Logs) -> None:
    logs.write(lines(0, 30))
    logs.turn()
    shutil.copy(logs.log, logs.folder / "app.log.1")
    os.truncate(logs.log, 0)
    logs.write(lines(30, 32))
    logs.turn()
    assert logs.targets() == names(0, 32)


def test_what_was_written_between_the_last_look_and_the_copy_counts_once(logs: Logs) -> None:
    logs.write(lines(0, 30))
    logs.turn()
    logs.write(lines(30, 35))
    shutil.copy(logs.log, logs.folder / "app.log.1")
    logs.turn()  # the copy is met while the original still stands
    os.truncate(logs.log, 0)
    logs.write(lines(35, 36))
    logs.turn()
    assert sorted(logs.targets()) == sorted(names(0, 36))


def test_a_file_cut_off_and_grown_beyond_where_it_was_is_read_anew(logs: Logs) -> None:
    logs.write(lines(0, 3))
    logs.turn()
    os.truncate(logs.log, 0)
    logs.write(lines(10, 20))
    logs.turn()
    assert logs.targets() == names(0, 3) + names(10, 20)


def test_a_place_that_is_used_again_is_another_file(logs: Logs) -> None:
    logs.write(lines(0, 3))
    logs.turn()
    logs.restart()
    logs.log.write_bytes(lines(10, 12))  # the same inode, other content, as after deletion and reuse
    logs.turn()
    assert logs.targets() == names(0, 3) + names(10, 12)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("size", [3, 40])
def test_a_file_that_is_compressed_later_counts_once(logs: Logs, pack: Callable[[bytes], bytes], size: int) -> None:
    logs.write(lines(0, size))
    logs.turn()
    logs.log.rename(logs.folder / "app.log.1")
    logs.write(lines(100, 101))
    logs.turn()
    logs.restart()
    (logs.folder / "app.log.1.z").write_bytes(pack((logs.folder / "app.log.1").read_bytes() + lines(size, size + 2)))
    logs.turn()
    (logs.folder / "app.log.1").unlink()
    logs.later()
    assert sorted(logs.targets()) == sorted([*names(0, size + 2), "t100"])


def test_old_compressed_files_are_read(logs: Logs) -> None:
    (logs.folder / "app.log.2.gz").write_bytes(gzip.compress(lines(0, 50)) + gzip.compress(line(50).rstrip()))
    logs.later()
    logs.later()
    assert logs.targets() == names(0, 51)
    logs.restart()
    logs.later()
    assert logs.targets() == names(0, 51)


def test_a_deleted_file_that_is_held_open_is_read_to_its_end(logs: Logs) -> None:
    logs.write(lines(0, 2))
    logs.turn()
    logs.write(lines(2, 4))
    logs.log.unlink()
    logs.turn()
    assert logs.targets() == names(0, 4)


def test_what_became_durable_before_a_kill_is_not_read_again(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    logs.write(lines(0, 3))
    logs.turn()
    logs.write(lines(3, 6))
    monkeypatch.setattr(logs.input, "_save", lambda: None)
    logs.turn(1)  # durable in the log, its position not kept
    logs.bench.now += 3600  # no memory of ids helps
    logs.restart()
    logs.write(lines(6, 7))
    logs.turn()
    assert logs.targets() == names(0, 7)


def test_nothing_is_passed_over_while_nothing_can_be_stored(bench: Any, logs: Logs, monkeypatch: Any) -> None:
    logs.write(lines(0, 3))
    full = monkeypatch.context()
    with full as patch:

        def refuse(*_: Any) -> None:
            raise StorageError("the disk is full")

        patch.setattr(logs.input._feed._intake, "store", refuse)
        with pytest.raises(StorageError):
            logs.turn()
        assert bench.tallies["i"].summary()["accepted"] == 0
    logs.turn()
    assert logs.targets() == names(0, 3)


def test_only_what_comes_after_the_first_start_counts_where_it_is_asked_for(bench: Any, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.log").write_bytes(lines(0, 3))
    logs = Logs(bench, tmp_path / "logs", start="end")
    logs.turn()
    logs.write(lines(3, 4))
    logs.turn()
    (tmp_path / "logs" / "app.log.new").write_bytes(lines(10, 11))
    logs.turn()
    assert sorted(logs.targets()) == sorted([*names(3, 4), *names(10, 11)])


def test_lines_of_containers_come_back_whole(logs: Logs) -> None:
    text = line(1).rstrip()
    docker = [
        {"log": text[:30].decode(), "stream": "stdout", "time": "2025-11-21T04:40:00.123456789Z"},
        {"log": "noise on another stream\n", "stream": "stderr", "time": "2025-11-21T04:40:00Z"},
        {"log": text[30:].decode() + "\n", "stream": "stdout", "time": "2025-11-21T04:40:00Z"},
    ]
    logs.write(b"2025-11-21T04:40:00.123456789Z stdout F " + line(0))
    logs.write(b"".join(msgspec.json.encode(each) + b"\n" for each in docker[:2]))
    logs.turn()
    logs.restart()  # half a record is kept too
    logs.write(msgspec.json.encode(docker[2]) + b"\n")
    half = line(2).rstrip()
    logs.write(b"2025-11-21T04:40:01Z stdout P " + half[:10] + b"\n2025-11-21T04:40:01Z stdout F " + half[10:] + b"\n")
    logs.turn()
    assert logs.targets() == names(0, 3)
    assert logs.bench.tallies["i"].summary()["refused"] == {"malformed": 1}


def test_an_endless_line_is_passed_over_in_bounded_memory(logs: Logs) -> None:
    logs.write(line(0))
    for _ in range(8):
        logs.write(b"x" * LONGEST)
        logs.turn(1)
    logs.write(b"\n" + line(1))
    logs.turn()
    assert logs.targets() == names(0, 2)
    assert logs.bench.tallies["i"].summary()["refused"] == {"too_long": 1}


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_bomb_is_given_up(logs: Logs, pack: Callable[[bytes], bytes], monkeypatch: Any) -> None:
    monkeypatch.setattr("collector.tailing.opened.ALLOWANCE", 4 << 20)
    (logs.folder / "app.log.9.gz").write_bytes(pack(b"\0" * (24 << 20)))
    logs.write(line(0))
    for _ in range(30):
        logs.later(10)
    assert logs.targets() == ["t0"]
    assert logs.bench.tallies["i"].summary()["refused"]["broken"] == 1


def test_what_is_no_file_or_broken_does_not_stop_the_others(logs: Logs) -> None:
    os.mkfifo(logs.folder / "app.log.fifo")
    (logs.folder / "app.log.dir").mkdir()
    (logs.folder / "app.log.link").symlink_to(logs.folder / "nowhere")
    (logs.folder / "app.log.1.gz").write_bytes(gzip.compress(lines(0, 9))[:-12])
    (logs.folder / "app.log.2.gz").write_bytes(b"\x1f\x8b\x08\x00garbage-garbage")
    logs.write(b"\xff\xfe\xff\n" + b"[" * 5000 + b"\n" + line(10))
    for _ in range(15):
        logs.later()
    assert "t10" in logs.targets()
    refused = logs.bench.tallies["i"].summary()["refused"]
    assert refused["malformed"] >= 1
    assert refused["broken"] == 2


def test_exports_are_taken_whole_once_they_no_longer_change(bench: Any, tmp_path: Path) -> None:
    logs = Logs(bench, tmp_path / "logs", whole=True, paths=(f"{tmp_path}/logs/**/*.json*",))
    (tmp_path / "logs" / "2025").mkdir()
    export = tmp_path / "logs" / "2025" / "export.json.gz"
    export.write_bytes(gzip.compress(line(0)))
    logs.turn()
    assert logs.targets() == []
    logs.later()
    assert logs.targets() == ["t0"]
    shutil.copy(export, tmp_path / "logs" / "copy.json.gz")
    logs.restart()
    logs.later()
    assert logs.targets() == ["t0"]


@given(
    st.lists(st.integers(0, 60), max_size=12),
    st.lists(
        st.sampled_from([b"a", b"bb\r", b"", b"c" * 40, b"d" * 2000, b"2025-11-21T04:40:00Z stdout P x"]), max_size=8
    ),
)
def test_where_reads_end_does_not_matter(steps: list[int], texts: list[bytes]) -> None:
    data = b"".join(text + b"\n" for text in texts)

    def read(sizes: list[int]) -> list[tuple[bytes, int]]:
        position = Position("k", "p", 1, 1, 0.0)
        found = []
        seen = 0
        for size in [*sizes, len(data)]:
            seen = min(len(data), seen + size * 50)
            found += cut(position, data[position.offset : seen], longest=100, container="auto", last=False).records
        found += cut(position, data[position.offset :], longest=100, container="auto", last=False).records
        return [(record.data, record.number) for record in found]

    assert read(steps) == read([])
