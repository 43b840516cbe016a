"""Where the paths of a table lead, for thousands of files: links in a folder's own path are resolved once per folder.

Standard library only: it runs while the workflow is parsed.
"""

import os
from pathlib import Path


def is_usual(path: str) -> bool:
    """Tell whether a path is relative, leads nowhere up, and can be written in no other way.

    It may say no of one that is, as of a hidden file. An expression of `re` would take five times as long.
    """
    begins, ends = path[:1] in ("", "/", "."), path[-1:] == "/"
    return not (begins or ends or "/." in path or "//" in path or "\\" in path)


class RealPlaces:
    """Look up paths below a root.

    Parameters
    ----------
    root : Path
        The folder that the paths start from.
    """

    def __init__(self, root: Path):
        self._root = os.path.join(root, "")
        self._real_root = os.path.join(os.path.realpath(root), "")
        self._real_folders: dict[str, str] = {}

    def of(self, path: str) -> str:
        """Give the real place of a file or folder below the root; "" if it takes a closer look.

        It does where the path is absent or unusual, is itself a link, or lies below a link that leads out of the root.
        """
        place = self._root + path
        if not is_usual(path) or not os.path.exists(place) or os.path.islink(place):
            return ""
        above, _, name = place.rpartition("/")
        folder = self._real_folders.get(above)
        if folder is None:
            folder = self._real_folders[above] = os.path.join(os.path.realpath(above or "/"), "")
        return folder + name if folder.startswith(self._real_root) else ""
