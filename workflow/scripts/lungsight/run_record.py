"""What a run remembers of itself in its private folder: whose study it is, its key, and when its files were made.

Snakemake decides by times. A copied folder has new ones, in the order of copying, and would be made anew from the first
job on. The record tells a copy by its own time, and gives the files their times back.

Standard library only: it is read while the workflow is parsed.
"""

import base64
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lungsight.errors import UserError
from lungsight.file_stamps import FileStamp
from lungsight.files import read_json, write_json
from lungsight.privacy import key_of, protect_key, pseudonym, read_key

RECORD = "run.json"
SECOND = 1_000_000_000  # nanoseconds
MOST_LETTERS = 200  # of the name of a file; Snakemake writes longer ones in pieces
TIMESTAMP = ".snakemake_timestamp"  # Snakemake takes the time of a folder from this file in it


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


@dataclass
class Study:
    """Which study a run belongs to.

    Attributes
    ----------
    config : str
        The config file; "" where there is none.
    settings : str
        Digest of the complete config.
    """

    config: str
    settings: str

    @classmethod
    def of(cls, config: Mapping[str, Any], configfiles: Iterable[str | Path]) -> "Study":
        """Describe the study of a complete config. Where results lie is no part of it."""
        files = [os.path.relpath(file) for file in configfiles]
        return cls(files[-1] if files else "", _digest({name: config[name] for name in config if name != "results"}))


@dataclass
class RunRecord:
    """The record of a run.

    Attributes
    ----------
    results : Path
        Folder of the run. The record lies in the private folder beside it.
    study : dict
        Of `Study`; empty before the first run.
    key : str
        A fingerprint of the key of the pseudonyms, which does not show it.
    stamps : dict
        Files of the user, such as a shard's scans → their digests `contents` and `state`, and `stamp`, the
        parameter of the job that read them.
        `state` is "" after the folder was copied: then files of the same names and sizes are the same.
    times : dict
        Output, relative to `results` → its time in nanoseconds.
    written : int
        The time of the record itself, in nanoseconds.
    """

    results: Path
    study: dict[str, str] = field(default_factory=dict)
    key: str = ""
    stamps: dict[str, dict[str, str]] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    written: int = 0

    @property
    def private(self) -> Path:
        """The private folder of the run."""
        return Path(f"{self.results}.private")

    @property
    def path(self) -> Path:
        """The file of the record."""
        return self.private / RECORD

    @classmethod
    def read(cls, results: str | Path) -> "RunRecord":
        """Read the record of a run; an empty one where there is none."""
        record = cls(Path(results))
        if record.path.is_file():
            try:
                found = read_json(record.path)
                record.study, record.key, record.stamps, record.times, record.written = (
                    found[name] for name in ("study", "key", "stamps", "times", "written")
                )
            except (KeyError, TypeError):
                raise UserError(f"{record.path} is damaged. Delete it and run again, which makes it anew.") from None
        return record

    def write(self, times: Mapping[str, int]) -> None:
        """Write the record. The file gets the time that it holds: a copy of it has another."""
        # A part of a second, which archives drop; a disk may round it.
        self.written = int(time.time()) * SECOND + SECOND // 2 + 1
        for _ in range(2):
            named = ("written", "study", "key", "stamps")
            write_json(self.path, {name: getattr(self, name) for name in named} | {"times": dict(times)})
            os.utime(self.path, ns=(self.written, self.written))
            self.written = self.path.stat().st_mtime_ns

    def is_copied(self) -> bool:
        """Tell whether the folder is a copy, so that its times are those of copying."""
        return self.path.is_file() and self.path.stat().st_mtime_ns != self.written

    def is_of_another(self, study: Study) -> bool:
        """Tell whether the run's files were made under other settings."""
        return bool(self.study) and self.results.is_dir() and self.study["settings"] != study.settings

    def check_study(self, study: Study) -> None:
        """Raise UserError if the run's files are those of another study, which this one would replace."""
        if self.is_of_another(study) and self.study["config"] != study.config:
            raise UserError(
                f"results: {self.results} holds the run of another config ({self.study['config']}), which this one"
                f" ({study.config}) would replace. Give this one a results folder of its own. If it is to go on with"
                f" that run, delete {self.path} first."
            )

    def check_key(self, key: Path) -> str:
        """Check the key of the pseudonyms, if the run has results. Return what was wrong and is corrected; or "".

        Raises
        ------
        UserError
            If the key is damaged, gone, or another one than the run began with.
        """
        if os.path.lexists(key) and not key.is_file():
            raise UserError(f"{key} is no file, so there is no key of the pseudonyms. Put back your copy of the key.")
        if key.is_file():
            fingerprint = pseudonym(read_key(key), "key")
            corrected = protect_key(key)
        else:
            fingerprint, corrected = "", ""
        converted = any(self.results.glob("cohorts/*/shards/*/cases.tsv"))
        if converted and (not fingerprint or (self.key and fingerprint != self.key)):
            what = "is not the key that this run began with" if fingerprint else "is gone"
            raise UserError(
                f"{key} {what}: new pseudonyms would not fit those in {self.results}. Put back your copy of the key, or"
                f" delete {self.results} and {self.private} to begin anew."
            )
        return corrected

    def stamp_of(self, name: str, stamps: Iterable[FileStamp]) -> str:
        """Return the parameter that stands for files of the user. name: for the record. A new value reruns the job."""
        stamps = list(stamps)
        contents, state = (_digest(sorted(getattr(stamp, part) for stamp in stamps)) for part in ("contents", "state"))
        known = self.stamps.get(name, {})
        same = known.get("state") == state or (known.get("state") == "" and known["contents"] == contents)
        self.stamps[name] = {"contents": contents, "state": state, "stamp": known["stamp"] if same else state}
        return self.stamps[name]["stamp"]

    def check_origin(self, metadata: Path) -> None:
        """Raise UserError if Snakemake does not know what the run's files were made from.

        It would compare nothing but times, and take everything for up to date.

        Parameters
        ----------
        metadata : Path
            Where Snakemake writes it: a file for each output, named after its path in base64.
        """
        names = (base64.urlsafe_b64encode(str(self.results / name).encode()).decode() for name in self.times)
        short = [name for name in names if len(name) < MOST_LETTERS]
        if not self.results.is_dir() or not short or any((metadata / name).exists() for name in short):
            return
        if metadata.with_suffix(".db").exists():
            return
        raise UserError(
            f"What {self.results} was made from is not known here: the folder was renamed or moved alone, or .snakemake"
            " is gone. A label, setting or scan that changed since then would not be seen. Put the folder back where it"
            f" was made, or make everything anew (--forceall). If nothing changed, delete {self.path} and go on."
        )

    def restore_times(self) -> None:
        """Give the files of a copied run their times back."""
        for name, nanoseconds in self.times.items():
            for place in (self.results / name, self.results / name / TIMESTAMP):
                if place.exists():
                    os.utime(place, ns=(nanoseconds, nanoseconds))
        self.stamps = {name: digests | {"state": ""} for name, digests in self.stamps.items()}
        self.write(self.times)

    def begin(self, study: Study, key: Path) -> None:
        """Record that a run goes on. If it is killed, its times are unknown."""
        self.study, self.key = vars(study), pseudonym(key_of(key), "key")
        self.write(times={})

    def end(self, outputs: Iterable[str]) -> None:
        """Record when the outputs of a run that ended were made. outputs: paths; those outside the run do not count."""
        for output in outputs:
            name = os.path.relpath(output, self.results)
            place = self.results / name
            if not name.startswith("..") and place.exists():
                marker = place / TIMESTAMP
                self.times[name] = (marker if marker.exists() else place).stat().st_mtime_ns
        self.write(self.times)
