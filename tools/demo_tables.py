"""Write the tables of a config's phantom cohorts; for config/demo.yaml, the default, these are config/demo/*.tsv."""

import csv
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from lungsight.config_check import complete_config  # noqa: E402
from lungsight.demo.cohort import cohort_table  # noqa: E402
from lungsight.files import atomic_path  # noqa: E402
from lungsight.program import log, parser, run  # noqa: E402


def write_tables(config: dict, folder: Path) -> list[Path]:
    """Write the table of every phantom cohort of a completed config; its path starts from `folder`."""
    written = []
    for name, cohort in config["cohorts"].items():
        if "phantom" in cohort:
            rows = cohort_table(name, cohort)
            with atomic_path(folder / cohort["table"]) as path, open(path, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, fieldnames=list(rows[0]), delimiter="\t", lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            written.append(folder / cohort["table"])
    return written


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("config", nargs="?", type=Path, default=ROOT / "config" / "demo.yaml")
    arguments.add_argument("--folder", type=Path, default=ROOT, help="folder that the config's paths start from")
    args = arguments.parse_args()
    config = complete_config(yaml.safe_load(args.config.read_text(encoding="utf-8")))
    for path in write_tables(config, args.folder):
        log(f"wrote {path}")


if __name__ == "__main__":
    run(main)
