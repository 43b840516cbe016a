"""Several processes give the results of one, in the same order, and report a process that was killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lungsight.errors import UserError
from lungsight.parallel import in_processes
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
from lungsight.parallel import in_processes

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
