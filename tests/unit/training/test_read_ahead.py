"""Reading ahead gives what reading gives, in order, and holds little."""

import threading
import time

import pytest

from lungsight.training.read_ahead import AHEAD, READERS, read_ahead


def readers() -> int:
    return sum(thread.name.startswith("ThreadPoolExecutor") for thread in threading.enumerate())


@pytest.mark.parametrize("count", [0, 1, AHEAD, 5 * AHEAD + 3])
def test_all_items_are_read_once_and_come_in_order(count: int) -> None:
    read: list[int] = []

    def square(number: int) -> int:
        time.sleep(0.001 * (number % 3))  # readers overtake each other
        read.append(number)
        return number**2

    before = readers()
    assert list(read_ahead(square, range(count))) == [number**2 for number in range(count)]
    assert sorted(read) == list(range(count))
    assert readers() == before


def test_no_more_is_read_than_was_taken_and_a_few_beyond() -> None:
    started: list[int] = []
    items = read_ahead(started.append, range(100))
    for taken in range(1, 31):
        next(items)
        assert len(started) <= taken + AHEAD
    before = readers()
    items.close()
    assert before >= READERS > readers() and len(started) < 100


def test_an_error_is_raised_where_its_item_is_due() -> None:
    items = read_ahead(lambda number: 1 // (3 - number), range(9))
    assert [next(items) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(items)
    assert list(items) == []
