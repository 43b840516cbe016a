"""The forecast of a run: by hand on few jobs, and on the record of a real run."""

import csv
from pathlib import Path

import pytest

from lungsight.forecast import KNOWN_FROM, Forecast, PlannedJob, clock, kind_of
from lungsight.run_progress import UNKNOWN, seconds_before, seconds_by_kind, seconds_of

TIMES = ("start", "end")


def test_one_core_takes_the_sum_and_two_take_the_longer_half():
    jobs = [PlannedJob(1, "a", 6), PlannedJob(2, "a", 4), PlannedJob(3, "a", 2)]
    assert Forecast(jobs, 1, 0).seconds_left(0) == pytest.approx(12)
    assert Forecast(jobs, 2, 0).seconds_left(0) == pytest.approx(6)


def test_a_job_waits_for_those_that_it_needs():
    chain = [PlannedJob(1, "a", 5), PlannedJob(2, "b", 3, frozenset({1})), PlannedJob(3, "c", 1)]
    assert Forecast(chain, 4, 0).seconds_left(0) == pytest.approx(8)


def test_needs_of_jobs_that_are_not_due_do_not_count():
    assert Forecast([PlannedJob(2, "b", 3, frozenset({1}))], 1, 0).seconds_left(0) == pytest.approx(3)


def test_a_job_with_many_cores_runs_alone_and_one_with_more_than_there_are_runs_too():
    jobs = [PlannedJob(1, "a", 5, cores=2), PlannedJob(2, "b", 5), PlannedJob(3, "c", 5)]
    assert Forecast(jobs, 2, 0).seconds_left(0) == pytest.approx(10)
    assert Forecast([PlannedJob(1, "a", 5, cores=8)], 2, 0).seconds_left(0) == pytest.approx(5)


def test_priority_comes_first():
    """The long chain first: 4 + 4, beside 1 + 1 + 1; begun last it would end at 9."""
    jobs = [*(PlannedJob(number, "b", 1) for number in (1, 2)), PlannedJob(3, "a", 8, priority=10)]
    assert Forecast(jobs, 2, 0).seconds_left(0) == pytest.approx(8)


def test_a_slow_machine_is_known_by_its_finished_jobs():
    forecast = Forecast([PlannedJob(number, "a", 10) for number in range(10)], 1, 0)
    for number in range(5):
        forecast.begin(number, 30.0 * number)
        forecast.end(number, 30.0 * number + 30)
    assert forecast.slowness() == pytest.approx(151 / 51)
    # What should be taken counts as one job more, at the machine's slowness.
    assert forecast.expected(forecast.jobs[9]) == pytest.approx(10 * (150 + 10 * 151 / 51) / 60)
    assert forecast.seconds_left(150) == pytest.approx(150)


def test_a_kind_that_was_planned_wrongly_is_learnt_apart_from_the_others():
    jobs = [*(PlannedJob(n, "short", 1) for n in range(20)), *(PlannedJob(n, "long", 1) for n in range(20, 26))]
    forecast = Forecast(jobs, 1, 0)
    now = 0.0
    for number in (*range(10), 20, 21, 22):
        forecast.begin(number, now)
        now += 1 if number < 20 else 20
        forecast.end(number, now)
    assert forecast.expected(forecast.jobs[10]) < 1.5
    assert forecast.expected(forecast.jobs[25]) > 15


def test_a_job_that_should_have_ended_takes_a_while_yet():
    forecast = Forecast([PlannedJob(1, "a", 10)], 1, 0)
    forecast.begin(1, 0)
    assert forecast.seconds_left(4) == pytest.approx(6)
    # 15 % of 40; the run took 40 s instead of 31.3 so far, since this job takes 37.3 s by now.
    assert forecast.seconds_left(40) == pytest.approx(6 * 40 / (10 * 41 / 11 - 6))


def test_pauses_between_jobs_stretch_the_rest():
    forecast = Forecast([PlannedJob(number, "a", 10) for number in range(20)], 1, 0)
    for number in range(10):
        forecast.begin(number, 12.0 * number + 2)
        forecast.end(number, 12.0 * number + 12)
    assert forecast.seconds_left(120) == pytest.approx(120)


def test_no_time_is_said_in_the_first_tenth_and_about_after_it():
    forecast = Forecast([PlannedJob(number, "train", 10) for number in range(10)], 1, 0)
    forecast.begin(0, 0)
    assert forecast.sentence(2) == "0:02 ·   2% · 0 of 10 jobs · too early to say how long · now train"
    forecast.end(0, 10)
    forecast.begin(1, 10)
    assert forecast.sentence(13) == "0:13 ·  13% · 1 of 10 jobs · about 1:27 to go · now train"


def test_a_run_without_jobs_is_done():
    forecast = Forecast([], 2, 0)
    assert forecast.share_done(0) == 1.0 and forecast.seconds_left(0) == 0


@pytest.mark.parametrize(("seconds", "words"), [(7.9, "0:07"), (187, "3:07"), (3723, "1:02:03")])
def test_clock(seconds, words):
    assert clock(seconds) == words


def test_the_same_job_of_an_earlier_run_is_read_from_its_benchmark(tmp_path):
    path = tmp_path / "b.tsv"
    path.write_text("s\th:m:s\n12.5\t0:00:12\n", encoding="utf-8")
    assert seconds_before(path) == 12.5
    for text in ("", "s\th:m:s\nNA\tNA\n", "x\ty\n1\t2\n"):
        path.write_text(text, encoding="utf-8")
        assert seconds_before(path) is None
    assert seconds_before(tmp_path / "none.tsv") is None and seconds_before(None) is None


def test_a_network_that_the_table_lacks_takes_the_mean_of_its_rule():
    table = {"train_stage resnet50": 40.0, "train_stage densenet201": 60.0, "convert": 2.0}
    assert kind_of("train_stage", {"pipeline": "whole-resnet50-scratch", "stage": "1"}) == "train_stage resnet50"
    assert kind_of("stand_in_weights", {"backbone": "vgg16"}) == "stand_in_weights vgg16"
    assert kind_of("convert", {"cohort": "a-b-c", "shard": "000"}) == "convert"
    assert seconds_of("train_stage resnet50", table) == 40
    assert seconds_of("train_stage vgg16", table) == 50
    assert (seconds_of("convert", table), seconds_of("other", table)) == (2, UNKNOWN)


def recorded() -> list[dict[str, str]]:
    with open(Path(__file__).with_name("recorded_run.tsv"), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def replayed(rows: list[dict[str, str]], table: dict[str, float], slower: float) -> list[tuple[float, float]]:
    """Replay jobs as they began and ended, and ask every five seconds; return errors of the time left, and when."""
    jobs = [
        PlannedJob(
            int(row["job"]),
            row["kind"],
            seconds_of(row["kind"], table),
            frozenset(map(int, row["needs"].split())),
            int(row["cores"]),
            int(row["priority"]),
        )
        for row in rows
    ]
    happened = [(slower * float(row[name]), name == "start", int(row["job"])) for row in rows for name in TIMES]
    forecast, end = Forecast(jobs, 2, 0.0), max(time for time, _, _ in happened)
    asked, errors = 0.0, []
    for time, begins, number in sorted(happened):
        while asked < time:
            if asked >= KNOWN_FROM * end and end - asked > 10 * slower:
                errors.append((abs(forecast.seconds_left(asked) / (end - asked) - 1), asked))
            asked += 5 * slower
        (forecast.begin if begins else forecast.end)(number, time)
    assert forecast.seconds_left(end) == 0
    return errors


@pytest.mark.parametrize("slower", [1.0, 3.0, 0.4])
def test_the_forecast_of_a_recorded_run_is_never_off_by_more_than_40_percent(slower):
    """After a tenth of the run, on a machine as it was, slower and faster.

    tools/recorded_run.py wrote the record of a run of `make demo`. Its last seconds do not
    count: of a few seconds, one is much.
    """
    errors = replayed(recorded(), seconds_by_kind(), slower)
    assert len(errors) > 50
    assert max(errors)[0] <= 0.4, max(errors)
