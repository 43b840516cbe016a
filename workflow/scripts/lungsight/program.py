"""Start a program of the workflow, report its progress, and end it with a message where it fails."""

import argparse
import errno
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TypeVar

from lungsight.ahead import take
from lungsight.errors import UserError
from lungsight.libraries import recorded_libraries
from lungsight.privacy import make_private_folder, scrub, shorten_paths

Item = TypeVar("Item")

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def parser(documentation: str | None) -> argparse.ArgumentParser:
    """Make an argument parser that describes the program by the first line of its docstring."""
    return argparse.ArgumentParser(description=(documentation or "").strip().splitlines()[0])


def keep_private(name: str, text: str) -> None:
    """Write a text that may hold names to <results>.private/errors.

    $LUNGSIGHT_PRIVATE names the private folder. Without it, the text is dropped.
    """
    private = os.environ.get("LUNGSIGHT_PRIVATE")
    if private:
        folder = make_private_folder(make_private_folder(Path(private)) / "errors")
        (folder / name).write_text(text, encoding="utf-8")


def set_environment(private: str, gpus: int = 0) -> None:
    """Set the environment variables that every program inherits. Called while the workflow is parsed.

    Parameters
    ----------
    private
        The folder for what nobody but the user should read.
    gpus
        How many GPUs the config asks for. It is not a parameter of a rule, because a model does not depend on it.
    """
    # `python` is the interpreter that Snakemake runs in, unless a conda environment is activated over it.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    os.environ["LUNGSIGHT_PRIVATE"] = private
    os.environ["LUNGSIGHT_RUN"] = str(os.getpid())
    os.environ["LUNGSIGHT_GPUS"] = str(gpus)
    # PyTorch's waiting threads sleep. Spinning, they make training several times slower where jobs share the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def check_conda(asked_for: bool) -> None:
    """Raise UserError if --use-conda was given and conda is not installed."""
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
    except PermissionError:  # it exists and belongs to another user
        return True
    return True


def end_with_the_run(every: float = 1.0) -> None:
    """End this process and its workers when the Snakemake that started it is gone.

    A killed Snakemake cannot stop its programs. A program that goes on would write the same files as the next run.

    Parameters
    ----------
    every
        Seconds between two looks at the process whose id is in $LUNGSIGHT_RUN. Without that variable, none is watched.
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


def forward_interrupts() -> None:
    """Make Ctrl-C in Snakemake end its programs at their next step, and say what goes on meanwhile.

    A terminal interrupts all of them, but a process manager or a notebook Snakemake alone, which would wait for hours.
    """
    import psutil  # of Snakemake's environment; programs run in others

    def interrupt(number: int, frame: FrameType | None) -> None:
        log("Interrupted: the programs that run end at their next step; this can take a minute.")
        for program in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                program.send_signal(signal.SIGINT)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupt)


def run(main: Callable[[], None]) -> None:
    """Call `main` and exit with 0; after an error, print a message and exit with 1.

    A UserError prints its message, with shortened paths. A full disk prints a message of its own. Any other error
    prints its traceback without names and paths. The complete text goes to the private folder alone.

    `main` is not called where another process has made ahead what it would make.
    """
    private_name = f"{Path(sys.argv[0]).stem}-{os.getpid()}.txt"
    end_with_the_run()
    try:
        with recorded_libraries() as made_with:
            ahead = take()
            if ahead is None:
                main()
            else:
                made_with.update(ahead)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it may come twice, from the terminal and from Snakemake
        sys.exit("Interrupted. The same command goes on from what was finished.")
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
    """Write one line to the log at once."""
    print(message, file=sys.stderr, flush=True)


def progress(items: Iterable[Item], what: str, total: int | None = None, every: float = 10.0) -> Iterator[Item]:
    """Yield the items, and log every few seconds how many are done and how long the rest may take.

    Parameters
    ----------
    what
        The plural noun of the log line ("series", "slices").
    total
        The number of items, if they cannot be counted beforehand.
    every
        Seconds between two lines.
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
