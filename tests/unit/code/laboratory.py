"""Runs programs of an edited copy of the library, each in a process of its own that has all other packages loaded.

python -m tests.unit.code.laboratory FOLDER EDITS PROCESSES [SEED]

FOLDER holds a tiny run and commands.json. Prints one JSON object for each edit.
"""

import ast
import contextlib
import gc
import importlib
import inspect
import json
import os
import random
import resource
import runpy
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import FrameType

from lungsight.code import Code, Library, Walk, digest_of_walk
from tests.factories.workspace import ROOT
from tests.unit.code.edits import Edit, edited, edits_of
from tests.unit.code.tiny_run import STAND_INS

WORKFLOW = ROOT / "workflow"
# More than any of these programs takes, of the processor and on the clock: an edit may make a loop endless.
PROCESSOR_SECONDS, SECONDS = 10, 120
FOLLOWED_SECONDS = 60  # of the processor, while every line is noted: the metadata classifier takes ten
TRIED_WITH_ANOTHER_DIGEST = 0.2  # of the edits that change the digest; of those that do not, all are tried
IN_LINES_THAT_RUN = 0.75  # of the edits; the others are anywhere in the modules that a program loads
LEFT_OUT = ("logs", "benchmarks", "libraries", "errors")


@dataclass(frozen=True)
class Outcome:
    """What one edit did.

    digest: whether it changed the program's digest. result: what the program then made: "same", "other", "none" where
    it stopped; "" where it was not run.
    """

    program: str
    module: str
    edit: str
    digest: bool
    result: str


class Laboratory:
    """A folder for one process: its copies of the workflow and of the run's folder."""

    def __init__(self, folder: Path, run: Path):
        self.run = run
        self.workflow = folder / "workflow"
        self.place = folder / "run"
        self._before: dict[str, str] = {}
        shutil.copytree(WORKFLOW, self.workflow, ignore=shutil.ignore_patterns("rules", "report", ".partial-*"))

    @property
    def scripts(self) -> Path:
        return self.workflow / "scripts"

    @cached_property
    def results(self) -> dict[str, bytes]:
        """The files of the run, which is complete by now."""
        return files_below(self.run)

    def digest_before(self, program: str) -> str:
        """The digest of a program while the copy is as it was."""
        if program not in self._before:
            self._before[program] = self.digest(program)
        return self._before[program]

    def digest(self, program: str) -> str:
        """The digest of a program of the copy as it is now."""
        return digest_of_walk(Walk(Code(Library(self.scripts)), program, {}))

    def execute(self, command: dict, where: Path, follow: bool = False) -> tuple[int, dict]:
        """Run a command in a folder, with the copy's library.

        Returns its exit status; and, if it is followed, the modules that it loaded and the lines of the library that
        ran, by module.
        """
        report = self.workflow.parent / "report.json"
        child = os.fork()
        if not child:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
            seconds = FOLLOWED_SECONDS if follow else PROCESSOR_SECONDS
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            os.chdir(where)
            lines: dict[str, set[int]] = {}
            status = self._run(command, lines if follow else None)
            if follow:
                seen = {"modules": list(sys.modules), "lines": {name: sorted(ran) for name, ran in lines.items()}}
                report.write_text(json.dumps(seen))
            os._exit(status)
        status = _wait(child)
        return status, json.loads(report.read_text()) if follow else {}

    def _run(self, command: dict, lines: dict[str, set[int]] | None) -> int:
        """Run a program in this process; no error leaves it. lines: where to note what ran."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "lungsight"]:
            del sys.modules[name]
        sys.path[:] = [str(self.scripts), *(path for path in sys.path if path != str(WORKFLOW / "scripts"))]
        program = str(self.scripts / f"{command['program']}.py")
        sys.argv = [program, *command["arguments"]]
        sys.dont_write_bytecode = True
        if lines is not None:
            sys.settrace(lambda frame, event, _: self._note(frame, lines))
        try:
            runpy.run_path(program, run_name="__main__")
        except SystemExit as stop:
            return 0 if stop.code in (None, 0) else 1
        except BaseException:
            return 1
        finally:
            sys.settrace(None)
        return 0

    def _note(self, frame: FrameType, lines: dict[str, set[int]]) -> Callable | None:
        """Note every line that runs in a function of the library."""
        path = Path(frame.f_code.co_filename)
        if not path.is_relative_to(self.scripts) or not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            return None
        parts = path.relative_to(self.scripts).with_suffix("").parts
        ran = lines.setdefault(".".join(parts[:-1] if parts[-1] == "__init__" else parts), set())

        def note(frame: FrameType, event: str, _: object) -> Callable:
            ran.add(frame.f_lineno)
            return note

        return note

    def outputs_of(self, command: dict, follow: bool = False) -> tuple[int, dict[str, bytes], dict]:
        """Run a command in a fresh copy of the run, its outputs gone. Returns status, all files and what `execute` saw.

        The status is not 0 where an output is missing, as Snakemake has it.
        """
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.run, self.place, copy_function=os.link)
        for output in command["outputs"]:
            remove(self.place / output)
        status, seen = self.execute(command, self.place, follow)
        if not all((self.place / output).exists() for output in command["outputs"]):
            status = 1
        files = files_below(self.place)
        self._mend(files)
        return status, files, seen

    def result_of(self, command: dict) -> str:
        """What a command makes now, beside what it made: "same", "other", or "none" where it stopped."""
        status, files, _ = self.outputs_of(command)
        return "none" if status else "same" if files == self.results else "other"

    def _mend(self, files: dict[str, bytes]) -> None:
        """Give the run back what a program wrote into one of its files: the copy shares them with it."""
        for name, content in self.results.items():
            if files.get(name) not in (None, content) and os.path.samefile(self.run / name, self.place / name):
                (self.run / name).unlink()
                (self.run / name).write_bytes(content)


def remove(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _wait(child: int) -> int:
    """The exit status of a process, 1 where it was killed or took too long."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return 0 if status == 0 else 1
        time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 1


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file of a run by its path, without what is no result."""
    found = {}
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part in LEFT_OUT for part in parts):
            found["/".join(parts)] = path.read_bytes()
    return found


def run_all(laboratory: Laboratory, commands: list[dict]) -> None:
    """Run the commands one after the other in the run's own folder, so that each finds the files of those before."""
    for command in commands:
        for output in command["outputs"]:
            (laboratory.run / output).parent.mkdir(parents=True, exist_ok=True)
        if command["program"] in STAND_INS:
            STAND_INS[command["program"]](laboratory.run, command["arguments"], command["outputs"])
            continue
        status, _ = laboratory.execute(command, laboratory.run)
        if status:
            raise RuntimeError(f"{command['program']} {' '.join(command['arguments'])} failed")


def examine(laboratory: Laboratory, commands: list[dict]) -> list[dict]:
    """Those commands that make the same again, each with the modules of the library that it loads.

    What they load of other packages is loaded here too, for the processes that follow.
    """
    found = []
    for command in commands:
        if command["program"] in STAND_INS:
            continue
        status, files, seen = laboratory.outputs_of(command, follow=True)
        if status or files != laboratory.results:
            continue
        own = [name for name in seen["modules"] if name.partition(".")[0] == "lungsight"]
        edits = {name: {edit.line for edit in edits_in(laboratory, name)} for name in [command["program"], *own]}
        ran = {name: sorted(edits[name] & set(seen["lines"].get(name, ()))) for name in edits}
        modules = [name for name in edits if edits[name]]
        found.append(command | {"modules": modules, "lines": {name: ran[name] for name in modules if ran[name]}})
        for name in seen["modules"]:
            if name.partition(".")[0] not in ("lungsight", "__main__"):
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
    return found


def file_of(laboratory: Laboratory, module: str) -> Path:
    """The file of a module of the library."""
    place = laboratory.scripts.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def edits_in(laboratory: Laboratory, module: str) -> list[Edit]:
    """All edits that can be made to a module."""
    return list(edits_of(ast.parse(file_of(laboratory, module).read_text(encoding="utf-8"))))


def try_edit(laboratory: Laboratory, commands: list[dict], seed: int) -> Outcome:
    """Make one random edit in a module that a random program loads, more often in a line that runs; run the program."""
    rng = random.Random(seed)
    program = rng.choice(sorted({command["program"] for command in commands}))
    command = rng.choice([command for command in commands if command["program"] == program])
    lines = command["lines"] if rng.random() < IN_LINES_THAT_RUN else dict.fromkeys(command["modules"], ())
    sizes = [(len(lines[name]) or file_of(laboratory, name).stat().st_size) ** 0.5 for name in lines]
    name = rng.choices(list(lines), sizes)[0]
    path = file_of(laboratory, name)
    text = path.read_text(encoding="utf-8")
    before = laboratory.digest_before(program)
    after_edit, edit = edited(text, rng, frozenset(lines[name]))
    path.write_text(after_edit, encoding="utf-8")
    try:
        changed = laboratory.digest(program) != before
        result = "" if changed and rng.random() > TRIED_WITH_ANOTHER_DIGEST else laboratory.result_of(command)
    finally:
        path.write_text(text, encoding="utf-8")
    return Outcome(program, name, edit, changed, result)


def main() -> None:
    folder, number, processes, *more = sys.argv[1:]
    folder, first = Path(folder), int(more[0]) if more else 0
    commands = json.loads((folder / "commands.json").read_text())
    laboratory = Laboratory(folder / "laboratory", folder / "run")
    run_all(laboratory, commands)
    commands = examine(laboratory, commands)
    (folder / "examined.json").write_text(json.dumps(commands))
    gc.freeze()  # what a process that is forked collects of this one, it first copies
    children = []
    for process in range(int(processes)):
        child = os.fork()
        if not child:
            own = Laboratory(folder / f"laboratory-{process}", folder / "run")
            with open(folder / f"outcomes-{process}.jsonl", "w", encoding="utf-8") as file:
                for seed in range(first + process, first + int(number), int(processes)):
                    print(json.dumps(asdict(try_edit(own, commands, seed))), file=file, flush=True)
            os._exit(0)
        children.append(child)
    failed = [os.waitpid(child, 0)[1] for child in children]
    sys.exit(any(failed))


if __name__ == "__main__":
    main()
