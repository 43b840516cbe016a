"""Fill a table over several runs of a benchmark: it is written after every row, and what it holds is kept."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd


def fill_table(
    path: Path, columns: Sequence[str], wanted: Iterable[tuple[Any, ...]], row_of: Callable[..., dict[str, Any]]
) -> pd.DataFrame:
    """Compute the rows that a table lacks, and write and print each at once.

    Parameters
    ----------
    path
        The table. It may be absent.
    columns
        Those that tell one row from another.
    wanted
        Their values, a tuple for each row.
    row_of
        Computes a row from these values. Its columns include `columns`.

    Returns
    -------
    The whole table, also with rows that were not wanted now.
    """
    rows = pd.read_csv(path, sep="\t").to_dict("records") if path.is_file() else []
    done = {tuple(row[column] for column in columns) for row in rows}
    for values in wanted:
        if values not in done:
            rows.append(row_of(*values))
            print(rows[-1], flush=True)
            pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
    return pd.DataFrame(rows)
