"""Try a lung segmentation tool on a generated image, so that it fetches its weights once, and record its version."""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from lungsight.errors import BadCase, UserError
from lungsight.files import write_json
from lungsight.program import parser, run
from lungsight.segmentation.run_tool import tool_mask, version_of_tool, write_test_image


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--program", required=True, help="command of the tool")
    arguments.add_argument("--settings", type=json.loads, required=True, help="the tool and its settings, as JSON")
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--record", type=Path, required=True, help="output: tool and version, as JSON")
    return arguments.parse_args()


def main() -> None:
    """Call the tool and write the record."""
    args = parse_args()
    with TemporaryDirectory(prefix="lungsight-") as folder:
        image = Path(folder, "image.nii.gz")
        grid = write_test_image(image)
        try:
            tool_mask(image, grid, args.settings, args.program, args.threads)
        except BadCase as error:
            raise UserError(f"{args.settings['tool']} does not work as this workflow calls it: {error}.") from error
        except RuntimeError as error:
            last = str(error).strip().splitlines()[-1]
            raise UserError(f"{args.settings['tool']} fails on a generated image: {last}") from error
    write_json(args.record, args.settings | {"version": version_of_tool(args.program)})


if __name__ == "__main__":
    run(main)
