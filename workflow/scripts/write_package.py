"""Write a finished run as one package: RO-Crate, Croissant, tables, model cards, and the workflow."""

import argparse
import json
from pathlib import Path

from lungsight.package.archive import write_archive
from lungsight.package.package import PackageSettings, package_contents
from lungsight.program import log, parser, run


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", required=True, help="the run's folder, as the config names it")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--config", type=json.loads, required=True, help="the config without paths, as JSON")
    arguments.add_argument("--repository", type=Path, required=True, help="where lungsight lies")
    arguments.add_argument("--metadata", type=Path, required=True, help="what Snakemake keeps of outputs")
    arguments.add_argument("--snakemake", required=True, help="version of Snakemake")
    arguments.add_argument("--package", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the package."""
    args = parse_args()
    settings = PackageSettings(args.results, args.run, args.config, args.snakemake, args.package.name)
    contents = package_contents(settings, args.repository, args.metadata)
    write_archive(args.package, contents)
    log(f"{len(contents)} files, {args.package.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
