"""Programs of a run, found by the folder that they work in, so that a test may kill one of its own and no other."""

import os
from pathlib import Path


def command_of(process: int) -> str:
    """The command line of a process; nothing where it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def programs_in(folder: Path) -> dict[int, str]:
    """Process id → name of the rule, of every program of the workflow that works in `folder`."""
    found = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            here = Path(os.readlink(process / "cwd")) == folder.resolve()
        except OSError:  # it has ended, or is another user's
            continue
        if here and len(words) > 1 and words[1].endswith(b".py") and b"workflow/scripts/" in words[1]:
            found[int(process.name)] = Path(words[1].decode()).stem
    return found
