"""A folder in which one rule, or the whole workflow, runs on made input."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
MORE_OPTIONS = shlex.split(os.environ.get("LUNGSIGHT_SNAKEMAKE_OPTIONS", ""))  # set by tests/e2e/test_conda.py


@dataclass
class Workspace:
    """config: as a user writes it; `results` is results/test. Everything lies below `folder`.

    snakefile: the workflow that runs, by default lungsight by the user's entry.
    """

    folder: Path
    config: dict
    results: str = "results/test"
    environment: dict = field(default_factory=dict)
    snakefile: Path = ROOT / "Snakefile"

    def __post_init__(self) -> None:
        self.write_config()

    @property
    def run_folder(self) -> Path:
        return self.folder / self.results

    @property
    def private_folder(self) -> Path:
        return self.folder / f"{self.results}.private"

    def write_config(self) -> None:
        config = {"results": self.results} | self.config
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        (self.folder / "config.yaml").write_text(text, encoding="utf-8")

    def _command(self, *arguments: str, configured: bool = True) -> list[str]:
        configfile = ["--configfile", "config.yaml"] if configured else []
        return [
            *(str(SNAKEMAKE), "--snakefile", str(self.snakefile), "--workflow-profile", "none"),
            *("--directory", str(self.folder), *configfile, *MORE_OPTIONS, *arguments),
        ]

    def snakemake(self, *arguments: str, configured: bool = True) -> subprocess.CompletedProcess:
        """Run Snakemake here; the result has returncode and, as text, both streams together in stdout."""
        return subprocess.run(
            self._command(*arguments, configured=configured),
            cwd=self.folder,
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def start(self, *arguments: str, log: str = "snakemake.log") -> subprocess.Popen:
        """Start Snakemake here and return at once; both streams go to the end of the file `log`."""
        with open(self.folder / log, "ab") as output:
            return subprocess.Popen(
                self._command(*arguments),
                cwd=self.folder,
                env=os.environ | self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def run_rule(self, rule: str, *targets: str) -> subprocess.CompletedProcess:
        """Run one rule by itself: its inputs must lie there already. Targets are relative to the results folder."""
        paths = [f"{self.results}/{target}" for target in targets]
        return self.snakemake("--cores", "2", "--show-failed-logs", "--allowed-rules", rule, "--", *paths)

    def must_reach(self, target: str, *rules: str) -> None:
        """Reach a target, a rule or a path, by these rules and it alone; fail the test if that does not succeed."""
        allowed = [*rules, target] if "/" not in target else rules
        done = self.snakemake("--cores", "2", "--show-failed-logs", "--allowed-rules", *allowed, "--", target)
        assert done.returncode == 0, done.stdout[-6000:]

    def must_run(self, rule: str, *targets: str) -> None:
        """`run_rule`, and fail the test with the whole output if it does not succeed."""
        done = self.run_rule(rule, *targets)
        assert done.returncode == 0, done.stdout
