"""What every program of the workflow shares: how it starts, reports progress and fails."""

import argparse
import errno
import multiprocessing
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from typing import TypeVar

from lungsight.errors import UserError
from lungsight.libraries import recorded_libraries
from lungsight.privacy import make_private_folder, scrub, shorten_paths

Item = TypeVar("Item")

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def parser(documentation: str | None) -> argparse.ArgumentParser:
    """An argument parser that describes the program by the first line of its docstring."""
    return argparse.ArgumentParser(description=(documentation or "").strip().splitlines()[0])


def keep_private(name: str, text: str) -> None:
    """Leave a text that may hold names in <results>.private/errors; without a private folder it is dropped.

    The workflow says where the folder is in $LUNGSIGHT_PRIVATE.
    """
    private = os.environ.get("LUNGSIGHT_PRIVATE")
    if private:
        folder = make_private_folder(make_private_folder(Path(private)) / "errors")
        (folder / name).write_text(text, encoding="utf-8")


def set_environment(private: str, gpus: int = 0) -> None:
    """Prepare, while the workflow is parsed, the environment that every program inherits.

    `python` is the interpreter that Snakemake runs in, unless a conda environment is activated over it. private:
    where a program may leave what nobody else should read. gpus: that the config asks for, for a training; no parameter
    of a rule, since a model does not depend on it. PyTorch's waiting threads sleep: where other jobs share the
    cores, spinning ones make training several times slower.
    """
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    os.environ["LUNGSIGHT_PRIVATE"] = private
    os.environ["LUNGSIGHT_RUN"] = str(os.getpid())
    os.environ["LUNGSIGHT_GPUS"] = str(gpus)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def check_conda(asked_for: bool) -> None:
    """Raise UserError where --use-conda was given and there is no conda to make the environments with."""
    if asked_for and not shutil.which("conda"):
        raise UserError(
            "--use-conda needs conda, and there is none on the PATH. Install Miniforge (conda-forge.org/download) and"
            " open a new shell, or leave --use-conda out: every program then runs in the environment that Snakemake"
            " itself runs in, .venv."
        )


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's: it exists
        return True
    return True


def end_with_the_run(every: float = 1.0) -> None:
    """End this process and its workers soon after the Snakemake that started it was killed.

    Killed, Snakemake cannot stop its programs, and one that goes on would write where that of the next run writes.
    $LUNGSIGHT_RUN is Snakemake's process id; without it nothing is watched.
    """
    snakemake = int(os.environ.get("LUNGSIGHT_RUN", "0"))

    def watch() -> None:
        while _is_alive(snakemake):
            time.sleep(every)
        for worker in multiprocessing.active_children():
            worker.kill()
        os._exit(1)

    if snakemake:
        threading.Thread(target=watch, daemon=True).start()


def run(main: Callable[[], None]) -> None:
    """Run `main`, and leave with 0, or with 1 and a message.

    A UserError prints its sentence alone, of each of the user's paths the last component, and a disk that is full its
    own. Anything else prints a scrubbed traceback. The whole text goes to the private folder, the one place where names
    may stand.
    """
    private_name = f"{Path(sys.argv[0]).stem}-{os.getpid()}.txt"
    end_with_the_run()
    try:
        with recorded_libraries():
            main()
    except UserError as error:
        keep_private(private_name, str(error))
        sys.exit(f"error: {shorten_paths(str(error))}")
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            sys.exit(
                f"error: Nothing more can be written ({os.strerror(error.errno)}). No half-written file was left; make"
                " room and run again: what was finished is kept."
            )
        text = traceback.format_exc()
        keep_private(private_name, text)
        sys.exit(scrub(text))


def log(message: str) -> None:
    """One line to the log, at once."""
    print(message, file=sys.stderr, flush=True)


def progress(items: Iterable[Item], what: str, total: int | None = None, every: float = 10.0) -> Iterator[Item]:
    """Hand the items on, and say every few seconds how many are done and about how long the rest takes.

    what: the plural that the line counts ("series", "slices"). every: seconds between two lines.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    start = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= every and total:
            log(f"{done} of {total} {what}, about {(now - start) / done * (total - done):.0f} s to go")
            last = now
    log(f"{done} {what} in {time.monotonic() - start:.1f} s")
