"""Find the programs of a run by their working folder, so that a test kills only its own."""

import os
from pathlib import Path


def command_of(process: int) -> str:
    """Read the command line of a process; "" where it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def programs_in(folder: Path) -> dict[int, str]:
    """Find the workflow's programs that run in `folder`: process id → name of the rule."""
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
