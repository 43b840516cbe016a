"""Several processes do what one does, in the same order, and say so when one is killed."""

import os
import signal

import pytest

from lungsight.errors import UserError
from lungsight.parallel import in_processes


def square(number):
    return number * number, os.getpid()


def kill_itself(number):
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("processes", [1, 3])
def test_results_come_in_the_items_order(processes):
    results = list(in_processes(square, range(20), processes))
    assert [result for result, _ in results] == [number * number for number in range(20)]
    assert (os.getpid() in {process for _, process in results}) == (processes == 1)


def test_a_process_that_is_killed_is_reported():
    with pytest.raises(UserError, match="lack of memory"):
        list(in_processes(kill_itself, range(4), 2))
