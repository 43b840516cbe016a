"""Work ahead: the process that trained a network makes what later jobs of this network make, and they take it.

To start TensorFlow, to load a network and to trace it takes longer than what many of these jobs do. So the process of a
training goes on with the predictions, the maps and the audit of its network where all that they need is there. Results
go to a store in the run's folder. The job itself takes them if the same program was called with the same words on the
same files, and works by itself in every other case: a rule's results, and what makes it run again, stay as they are.

tasks.json in the store lists the jobs that are due, as the run wrote it when it started.
"""

import importlib
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lungsight.files import read_json, sha256_of, write_json
from lungsight.layout import MODEL, PROVENANCE
from lungsight.libraries import loaded_versions

# Programs whose jobs may be done ahead, in the order in which one needs the other → the option that names the output.
OUTPUT_OF = {"infer_cohort": "--predictions", "explain_stage": "--explanation", "audit_stage": "--explanation"}
MODEL_OPTION = "--model"
TASKS, KEY = "tasks.json", "made.json"
STORE = Path("training/ahead")  # below the run's folder
LARGE = 1 << 30  # bytes, more than a model has: to read a larger array takes longer than what is saved
ARRAY = ".npy"  # of cached images, whose shards are files of one array


def store_of(model: Path) -> Path:
    """Return the store of a run. model: the folder of a model, R/models/<pipeline>/stage<k>."""
    return model.parents[2] / STORE


def value_of(arguments: list[str], option: str) -> str:
    """Return the word that follows an option; "" where the option is absent."""
    return arguments[arguments.index(option) + 1] if option in arguments[:-1] else ""


def place_of(arguments: list[str], program: str) -> Path:
    """Return the folder of the store that holds what a job makes."""
    model = Path(value_of(arguments, MODEL_OPTION))
    part = Path(value_of(arguments, OUTPUT_OF[program])).stem if program == "infer_cohort" else program
    return store_of(model) / "made" / f"{model.parent.name}-{model.name}-{part}"


def stamps(files: Mapping[str, Path]) -> dict[str, Any]:
    """Describe what each file holds by its digest; arrays above LARGE together, and folders, by size and time.

    The time of a model tells nothing: when a job ends, Snakemake sets the times of its outputs anew.
    """
    status = {name: path.stat() for name, path in files.items()}
    large = sum(status[name].st_size for name, path in files.items() if path.suffix == ARRAY) >= LARGE
    return {
        name: sha256_of(path)
        if path.is_file() and not (large and path.suffix == ARRAY)
        else [status[name].st_size, status[name].st_mtime_ns]
        for name, path in files.items()
    }


def key_of(task: Mapping[str, Any], made: Mapping[str, Path]) -> dict[str, Any]:
    """Describe a job: its program with its code, its words, its files. made: inputs that lie elsewhere until now."""
    files = stamps({path: made.get(path, Path(path)) for path in task["inputs"]})
    return {"program": task["program"], "code": task["code"], "arguments": task["arguments"], "inputs": files}


def read_tasks(model: Path) -> list[dict[str, Any]]:
    """Read the jobs of a model that are due, in the order of `OUTPUT_OF`; none where the run listed none."""
    path = store_of(model) / TASKS
    tasks = read_json(path).get(str(model), []) if path.is_file() else []
    return sorted(tasks, key=lambda task: list(OUTPUT_OF).index(task["program"]))


def write_tasks(run: Path, tasks: Iterable[Mapping[str, Any]]) -> None:
    """List the jobs that are due by their model.

    Parameters
    ----------
    run
        The run's folder.
    tasks
        program, arguments (the words of its command line), inputs, and code, the digest of its code.
    """
    by_model: dict[str, list[Mapping[str, Any]]] = {}
    for task in tasks:
        by_model.setdefault(value_of(task["arguments"], MODEL_OPTION), []).append(task)
    write_json(run / STORE / TASKS, by_model)


def forget(run: Path) -> None:
    """Remove the store of a run that is finished."""
    shutil.rmtree(run / STORE, ignore_errors=True)


_LOADED: dict[str, Any] = {}  # a network that this process has in memory, by the file that holds it


def network_of(path: Path) -> Any:
    """Return the network of a file where this process has it in memory; else None."""
    return _LOADED.get(os.path.realpath(path))


def work_ahead(model: Path, network: Any) -> None:
    """Do what later jobs of a model do, as far as all that they need is there.

    It changes no result of the program that calls it, so it does not count in the digest of its code.

    Parameters
    ----------
    model
        Folder of the model, R/models/<pipeline>/stage<k>.
    network
        The network as its file holds it; None where this process has another one.
    """
    if network is not None:
        _LOADED[os.path.realpath(model / MODEL)] = network
    made: dict[str, Path] = {}
    for task in read_tasks(model):
        if all(path in made or os.path.exists(path) for path in task["inputs"]):
            try:
                make_ahead(task, made)
            except Exception:  # whatever it is: the job will meet it, and say so in its own log
                shutil.rmtree(place_of(task["arguments"], task["program"]), ignore_errors=True)
                print(f"{task['program']} cannot be done ahead; its own job will say why.", file=sys.stderr, flush=True)


def _with(arguments: list[str], **values: str) -> list[str]:
    """Give options other values."""
    changed = list(arguments)
    for name, value in values.items():
        changed[changed.index(f"--{name}") + 1] = value
    return changed


def _view_of(model: Path, made: Mapping[str, Path]) -> Path:
    """Make a folder that looks like a model's, with the predictions that were made ahead."""
    view = store_of(model) / "models" / model.parent.name / model.name
    shutil.rmtree(view, ignore_errors=True)
    (view / "predictions").mkdir(parents=True)
    links = {model / name: view / name for name in (MODEL, PROVENANCE)}
    links |= {path: view / "predictions" / Path(name).name for name, path in made.items() if path.suffix == ".tsv"}
    for path, link in links.items():
        link.symlink_to(path.absolute())
    return view


def make_ahead(task: Mapping[str, Any], made: dict[str, Path]) -> None:
    """Make what a job makes, and keep it in the store. made: gets the predictions, and where they lie."""
    program, arguments = task["program"], task["arguments"]
    model, place = Path(value_of(arguments, MODEL_OPTION)), place_of(arguments, program)
    option, key = OUTPUT_OF[program].strip("-"), key_of(task, made)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    output = Path(value_of(arguments, OUTPUT_OF[program]))
    here = place / output.name if program == "infer_cohort" else place
    before, sys.argv = sys.argv, [program, *_with(arguments, model=str(_view_of(model, made)), **{option: str(here)})]
    try:
        importlib.import_module(program).main()
    finally:
        sys.argv = before
    if program == "infer_cohort":
        made[str(output)] = here
    write_json(place / KEY, {"job": key, "libraries": loaded_versions()})


def take() -> dict[str, str] | None:
    """Move what was made ahead for this program's command line to where it belongs.

    Returns
    -------
    The versions of the libraries that it was made with. None where nothing that fits was made: then nothing is moved.
    """
    program, arguments = Path(sys.argv[0]).stem, sys.argv[1:]
    if program not in OUTPUT_OF or not value_of(arguments, MODEL_OPTION):
        return None
    model, place = Path(value_of(arguments, MODEL_OPTION)), place_of(arguments, program)
    task = next(
        (task for task in read_tasks(model) if [task["program"], *task["arguments"]] == [program, *arguments]), {}
    )
    if not task or not (place / KEY).is_file():
        return None
    kept = read_json(place / KEY)
    if kept["job"] != key_of(task, {}):
        return None
    output = Path(value_of(arguments, OUTPUT_OF[program]))
    folder = output.parent if program == "infer_cohort" else output
    folder.mkdir(parents=True, exist_ok=True)
    for path in place.iterdir():
        if path.name != KEY:
            os.utime(path)  # made before the job started; Snakemake wants outputs that are younger than inputs
            os.replace(path, folder / path.name)
    shutil.rmtree(place)
    return kept["libraries"]
