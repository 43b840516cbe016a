"""Make the random key of a run's pseudonyms, in the private folder. With it, pseudonyms can be led back to names.

Writes <results>.private/key (hexadecimal, mode 600; the folder has mode 700). A key that is there stays: another one
would change every pseudonym, and a person's decisions would fit no slice any more.
"""

import argparse
import os
from pathlib import Path

from lungsight.files import atomic_path
from lungsight.privacy import KEY_BYTES, make_private_folder, new_key, read_key
from lungsight.program import log, parser, run


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--key", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the key, unless it is there."""
    args = parse_args()
    make_private_folder(args.key.parent)
    if args.key.is_file() and len(read_key(args.key)) == KEY_BYTES:
        log("the key is there and stays")
        return
    with atomic_path(args.key) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(new_key().hex() + "\n")


if __name__ == "__main__":
    run(main)
