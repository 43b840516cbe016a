"""Several processes give the results of one, in the same order, and report a process that was killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lungsight.errors import UserError
from lungsight.parallel import Child, ChildDied, in_processes
from tests.factories.workspace import ROOT


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


AT_WORK = """
import os, time
from lungsight.parallel import Child, ChildDied, in_processes

def work(number):
    os.write(1, f"{os.getpid()}\\n".encode())  # one write, so that two workers cannot mix their lines
    time.sleep(60)

list(in_processes(work, range(2), 2))
"""


def is_running(process):
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_end_with_the_program_that_started_them():
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "scripts")}
    program = subprocess.Popen([sys.executable, "-c", AT_WORK], stdout=subprocess.PIPE, text=True, env=environment)
    workers = [int(program.stdout.readline()) for _ in range(2)]
    program.kill()
    program.wait()
    end = time.monotonic() + 10
    while any(map(is_running, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    left = [worker for worker in workers if is_running(worker)]
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    assert left == []


def answer(number):
    if number < 0:
        raise ValueError("negative")
    if number == 13:
        os.kill(os.getpid(), signal.SIGABRT)
    if number == 99:
        time.sleep(60)
    return number, os.getpid()


def test_one_child_answers_until_it_dies_and_another_takes_its_place():
    child = Child()
    first, second = child.call(answer, 1), child.call(answer, 2)
    assert (first[0], second[0]) == (1, 2) and first[1] == second[1] != os.getpid()
    for ending in (13, -1):
        with pytest.raises(ChildDied):
            child.call(answer, ending)
        assert child.call(answer, 4)[0] == 4 and child.call(answer, 4)[1] != first[1]
    child.end()


def test_a_child_that_does_not_answer_is_replaced():
    child = Child(patience=0.3)
    with pytest.raises(ChildDied):
        child.call(answer, 99)
    assert child.call(answer, 5)[0] == 5
    child.end()


def ask(number):
    return CHILD.call(answer, number)


CHILD = Child()


def test_every_process_has_a_child_of_its_own():
    CHILD.call(answer, 0)
    results = list(in_processes(ask, [1, 2, 3, 4], 2))
    assert [number for number, _ in results] == [1, 2, 3, 4]
    assert CHILD.call(answer, 0)[1] not in {process for _, process in results}
    CHILD.end()
