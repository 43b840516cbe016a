"""How a program fails, and what it logs before."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lungsight.errors import UserError
from lungsight.program import check_conda, keep_private, parser, progress, run

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow" / "scripts"


def test_a_user_error_prints_one_sentence(capsys):
    def main():
        raise UserError("cases.tsv does not exist.")

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == "error: cases.tsv does not exist."


def test_a_user_error_names_folders_in_the_private_text_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("LUNGSIGHT_PRIVATE", str(tmp_path / "run.private"))
    sentence = "/home/jane.doe/weights/resnet50.h5 is not the expected file: see results/run/split.tsv."

    def main():
        raise UserError(sentence)

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == "error: …/resnet50.h5 is not the expected file: see results/run/split.tsv."
    (kept,) = (tmp_path / "run.private" / "errors").iterdir()
    assert kept.read_text() == sentence


def test_any_other_error_prints_a_scrubbed_traceback_and_the_complete_one_is_private(tmp_path, monkeypatch):
    monkeypatch.setenv("LUNGSIGHT_PRIVATE", str(tmp_path / "run.private"))

    def main():
        raise ValueError("cannot read /data/hospital/Doe_Jane/1.dcm of 20200314")

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert "ValueError: cannot read [path] of [value]" in caught.value.code and "Doe" not in caught.value.code
    (kept,) = (tmp_path / "run.private" / "errors").iterdir()
    assert "/data/hospital/Doe_Jane/1.dcm of 20200314" in kept.read_text()
    assert (tmp_path / "run.private").stat().st_mode & 0o777 == 0o700


def test_a_full_disk_has_a_message_of_its_own():
    def main():
        with open("/dev/full", "w") as file:
            file.write("anything")

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code.startswith("error: Nothing more can be written (No space left on device).")


def test_without_a_private_folder_no_text_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv("LUNGSIGHT_PRIVATE", raising=False)
    monkeypatch.chdir(tmp_path)
    keep_private("x.txt", "Doe")
    assert list(tmp_path.iterdir()) == []


def test_a_program_and_its_workers_end_with_the_run(tmp_path):
    """A killed Snakemake stops no program. The program notices it and ends with its worker."""
    program = (
        "import multiprocessing, time; from lungsight.program import end_with_the_run; end_with_the_run(0.1);"
        "worker = multiprocessing.Process(target=time.sleep, args=(60,)); worker.start();"
        "print(worker.pid, flush=True); time.sleep(60)"
    )
    snakemake = subprocess.Popen(["sleep", "60"])
    environment = os.environ | {"LUNGSIGHT_RUN": str(snakemake.pid), "PYTHONPATH": str(SCRIPTS)}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
    worker = int(process.stdout.readline())
    assert process.poll() is None
    snakemake.kill()
    snakemake.wait()
    assert process.wait(timeout=20) == 1
    for _ in range(50):  # whoever inherits the worker takes a moment to bury it
        if not Path(f"/proc/{worker}").exists():
            break
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists()


def test_use_conda_without_conda_names_the_remedies(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    check_conda(asked_for=False)
    with pytest.raises(UserError, match="Install Miniforge"):
        check_conda(asked_for=True)
    (tmp_path / "conda").touch(mode=0o755)
    check_conda(asked_for=True)


def test_success_returns():
    assert run(lambda: None) is None


def test_progress_yields_every_item_and_counts(capsys):
    assert list(progress(iter("abc"), "slices")) == ["a", "b", "c"]
    assert capsys.readouterr().err.startswith("3 slices in ")
    list(progress([1, 2, 3, 4], "cases", every=0))
    assert "2 of 4 cases, about " in capsys.readouterr().err


def test_the_parser_describes_the_program():
    assert parser("Makes a table.\n\nMore.").description == "Makes a table."


INTERRUPTED = """
import subprocess, sys, time
from lungsight.program import forward_interrupts
forward_interrupts()
program = "import time; from lungsight.program import run; run(lambda: [print('steps', flush=True), time.sleep(60)])"
with subprocess.Popen([sys.executable, "-c", program], start_new_session=True) as child:
    child.wait()
"""


def test_an_interrupt_of_snakemake_alone_ends_its_programs_with_a_word():
    """The program has a session of its own, as if no terminal had interrupted it too."""
    command = [sys.executable, "-c", INTERRUPTED]
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as run:
        assert run.stdout.readline() == "steps\n"
        run.send_signal(signal.SIGINT)
        said = run.stdout.read()
    assert "Interrupted: the programs that run end at their next step" in said
    assert "Interrupted. The same command goes on from what was finished." in said
    assert run.returncode != 0
