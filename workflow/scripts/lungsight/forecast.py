"""Forecast how long a run still takes: from what its jobs should take, and from how long finished ones took here.

A job counts by its kind: its rule, and the network where it has one. How long it should take is known from a table, or
from the same job of another run. Finished jobs say how fast this machine is, and what their own kind takes on it. The
rest of the run is then played through: jobs start when those that they need have ended and a core is free.
"""

import heapq
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

KNOWN_FROM = 0.1  # share of a run after which the forecast is said
# A prior weighs as much as a finished job of its kind; the machine's speed starts as if known from so many seconds.
PRIOR_JOBS, PRIOR_SECONDS = 1.0, 1.0
OVERDUE = 0.15  # of its time so far, that a job takes on when it should have ended
LEAST_PAUSES, MOST_PAUSES = 0.9, 1.3  # by which what is played through is stretched, at least and at most


@dataclass(frozen=True)
class PlannedJob:
    """A job of a run.

    Attributes
    ----------
    number
        Its number, by which others name it.
    kind
        As `kind_of` names it.
    seconds
        That it should take.
    needs
        Numbers of the jobs that must end before it.
    cores
        That it takes up.
    priority
        The higher the earlier, among jobs that could start.
    """

    number: int
    kind: str
    seconds: float
    needs: frozenset[int] = frozenset()
    cores: int = 1
    priority: int = 0


def kind_of(rule: str, wildcards: Mapping[str, str]) -> str:
    """Name the kind of a job: jobs of one rule take much longer with one network than with another."""
    pipeline = wildcards.get("pipeline") or ""
    network = wildcards.get("backbone") or (pipeline.split("-")[1] if pipeline.count("-") >= 2 else "")
    return f"{rule} {network}".strip()


class Forecast:
    """Follow the jobs of a run, and say how long the rest takes.

    Parameters
    ----------
    jobs
        All jobs that the run will do.
    cores
        How many cores they share.
    start
        When the run starts, in seconds of any clock; all other times are of the same clock.
    """

    def __init__(self, jobs: Iterable[PlannedJob], cores: int, start: float) -> None:
        self.jobs = {job.number: job for job in jobs}
        self.cores, self.start = max(1, cores), start
        self._now = start
        self.running: dict[int, float] = {}
        self.finished: dict[int, float] = {}  # seconds that each took
        self._planned: dict[str, float] = defaultdict(float)  # by kind, of its finished jobs
        self._taken: dict[str, float] = defaultdict(float)
        self._count: dict[str, int] = defaultdict(int)

    def begin(self, number: int, now: float) -> None:
        """Note that a job starts."""
        if number in self.jobs:
            self.running[number] = now

    def end(self, number: int, now: float) -> None:
        """Note that a job has ended."""
        if number not in self.jobs:
            return
        job, seconds = self.jobs[number], now - self.running.pop(number, now)
        self.finished[number] = seconds
        self._planned[job.kind] += job.seconds
        self._taken[job.kind] += seconds
        self._count[job.kind] += 1

    def slowness(self) -> float:
        """Return how many times as long as planned jobs take here; those that should have ended count as well."""
        taken, planned = sum(self._taken.values()), sum(self._planned.values())
        late = [(since, self.jobs[number].seconds) for number, since in self.running.items()]
        late = [(self._now - since, seconds) for since, seconds in late if self._now - since > seconds]
        taken, planned = taken + sum(each for each, _ in late), planned + sum(seconds for _, seconds in late)
        return (taken + PRIOR_SECONDS) / (planned + PRIOR_SECONDS)

    def expected(self, job: PlannedJob) -> float:
        """Return the seconds that a job will take here, as far as is known now."""
        prior = PRIOR_JOBS * job.seconds
        factor = (self._taken[job.kind] + prior * self.slowness()) / (self._planned[job.kind] + prior)
        return job.seconds * factor

    def seconds_left(self, now: float) -> float:
        """Return when the last job ends, from now: the rest played through, with the pauses that there were so far."""
        self._now = now
        left, passed = self._played(now, self.running, self.finished), now - self.start
        so_far = self._played(now, {}, {}) - left
        pauses = passed / so_far if so_far > 0 else 1.0
        return left * min(max(pauses, LEAST_PAUSES), MOST_PAUSES)

    def _played(self, now: float, running: Mapping[int, float], finished: Container[int]) -> float:
        """Play the run through from a state of its jobs, and return how long it takes."""
        rest: list[tuple[float, int]] = []
        for number, since in running.items():
            so_far = now - since
            left = max(self.expected(self.jobs[number]) - so_far, OVERDUE * so_far)
            heapq.heappush(rest, (now + left, number))
        free = self.cores - sum(self.jobs[number].cores for number in running)
        waiting = {
            number: {need for need in job.needs if need in self.jobs and need not in finished}
            for number, job in self.jobs.items()
            if number not in finished and number not in running
        }
        needed_by: dict[int, list[int]] = defaultdict(list)
        for number, needs in waiting.items():
            for need in needs:
                needed_by[need].append(number)
        ready = [(-self.jobs[number].priority, number) for number, needs in waiting.items() if not needs]
        heapq.heapify(ready)
        time = now
        while rest or ready:
            while ready and (free > 0 or not rest):
                _, number = heapq.heappop(ready)
                job = self.jobs[number]
                heapq.heappush(rest, (time + self.expected(job), number))
                free -= min(job.cores, self.cores)
            time, number = heapq.heappop(rest)
            free += min(self.jobs[number].cores, self.cores)
            for other in needed_by[number]:
                waiting[other].discard(number)
                if not waiting[other]:
                    heapq.heappush(ready, (-self.jobs[other].priority, other))
        return time - now

    def share_done(self, now: float) -> float:
        """Return the share of the run's time that has passed."""
        passed, left = now - self.start, self.seconds_left(now)
        return passed / (passed + left) if passed + left > 0 else 1.0

    def sentence(self, now: float) -> str:
        """Write the progress in one line, for the person who waits. A forecast is said once enough is known for one."""
        passed, left = now - self.start, self.seconds_left(now)
        share = passed / (passed + left) if passed + left > 0 else 1.0
        to_go = f"about {clock(left)} to go" if share >= KNOWN_FROM else "too early to say how long"
        current = ", ".join(dict.fromkeys(self.jobs[number].kind for number in self.running))
        jobs = f"{len(self.finished)} of {len(self.jobs)} jobs"
        return f"{clock(passed)} · {share:4.0%} · {jobs} · {to_go}" + (f" · now {current}" if current else "")


def clock(seconds: float) -> str:
    """Format seconds as minutes and seconds, such as 3:07, or with hours, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
