import threading
import time

from tocsin_audit.buffer import Buffer


def test_what_does_not_fit_is_refused_at_once() -> None:
    buffer: Buffer[int] = Buffer(3, 100)
    assert [buffer.put(n, 10) for n in range(4)] == [True, True, True, False]
    heavy: Buffer[int] = Buffer(10, 100)
    assert [heavy.put(n, 60) for n in range(2)] == [True, False]
    assert buffer.take(10, wait=0, linger=0) == [0, 1, 2]
    assert buffer.put(9, 10)


def test_a_full_batch_does_not_linger() -> None:
    buffer: Buffer[int] = Buffer(1000, 10_000)
    taken: list[list[int]] = []
    reader = threading.Thread(target=lambda: taken.append(buffer.take(50, wait=20, linger=20)))
    reader.start()
    before = time.monotonic()
    for number in range(50):
        buffer.put(number, 1, batch=50)
    reader.join(15)
    assert taken == [list(range(50))]
    assert time.monotonic() - before < 15


def test_closing_and_waking_let_the_reader_go() -> None:
    for end in ("wake", "close"):
        buffer: Buffer[int] = Buffer(10, 100)
        reader = threading.Thread(target=lambda b=buffer: b.take(5, wait=20, linger=20))
        reader.start()
        deadline = time.monotonic() + 15
        while reader.is_alive() and time.monotonic() < deadline:
            getattr(buffer, end)()
            reader.join(0.01)
        assert not reader.is_alive()
