"""Read and check what the config says of the lung segmentation, while the workflow is parsed."""

from collections.abc import Mapping, Sequence

from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow
from lungsight.segmentation.lung_tools import TOOLS

OWN = "own"  # segmentation.method: every row of the tables names its mask
_MOST_ROWS_SHOWN = 10


def mask_origin(config: dict) -> str:
    """Return where lung masks come from where the tables name none.

    A network `trained` in this run, a `given` one, the `classical` method, a tool of others by its name, or `own`: the
    tables name all.
    """
    if (method := config["segmentation"]["method"]) != "nnunet":
        return method
    return "given" if config["segmentation"]["model"] else "trained"


def trains_segmentation(config: dict) -> bool:
    """Return whether the run trains a segmentation network, for which it needs a cohort with contours."""
    return mask_origin(config) == "trained"


def segmentation_problems(config: dict) -> list[str]:
    """List what a schema cannot find wrong with the settings of the segmentation, one sentence each."""
    settings, wrong = config["segmentation"], []
    if abs(sum(settings["fractions"]) - 1) > 1e-6:
        wrong.append(f"segmentation.fractions: {settings['fractions']} do not sum to 1.")
    if settings["model"] and settings["method"] != "nnunet":
        wrong.append("segmentation.model: a given model is used by segmentation.method: nnunet alone.")
    if settings["dicom_seg"] and all(cohort["format"] != "dicom" for cohort in config["cohorts"].values()):
        wrong.append("segmentation.dicom_seg: a DICOM SEG refers to a DICOM series, and no cohort has format: dicom.")
    if settings["executable"] and settings["method"] not in TOOLS:
        wrong.append(f"segmentation.executable: it is the program of segmentation.method: {' or '.join(TOOLS)} alone.")
    if settings["split_unit"] == "slice" and (config["shared_ids"] or config["splits"]["previous"]):
        wrong.append(
            "segmentation.split_unit: slice puts one patient's slices into all subsets, which neither shared_ids nor"
            " splits.previous can follow; they need split_unit: patient."
        )
    return wrong


def cohorts_with_lungs(rows: Mapping[str, Sequence[TableRow]]) -> list[str]:
    """Name the cohorts whose tables name lung masks."""
    return [name for name, table in rows.items() if any(row.lungs and not row.skip for row in table)]


def check_own_masks(config: dict, rows: Mapping[str, Sequence[TableRow]]) -> None:
    """Raise UserError if nothing segments (`segmentation.method: own`) and a row names no lung mask.

    Under the other methods, masks of a cohort with contours measure the segmentation; none may be the user's there.
    """
    if config["segmentation"]["method"] != OWN:
        measured = [name for name in cohorts_with_lungs(rows) if config["cohorts"][name]["role"] == "segmentation"]
        if measured:
            raise UserError(
                f"cohorts.{measured[0]}: its contours measure how well lungs are segmented, and its table names lung"
                " masks of your own (column lungs), which would be measured instead. Leave the column empty there."
            )
        return
    without = {name: [row.row for row in table if not row.lungs and not row.skip] for name, table in rows.items()}
    listed = [f"{name} (row {_shown(numbers)})" for name, numbers in without.items() if numbers]
    if listed:
        raise UserError(
            "segmentation.method: own segments nothing, and rows without a mask in the column lungs are left in cohort"
            f" {', '.join(listed)}. Name their masks, leave them out (skip), or choose another method for them."
        )


def _shown(rows: Sequence[int]) -> str:
    more = f" and {len(rows) - _MOST_ROWS_SHOWN} more" if len(rows) > _MOST_ROWS_SHOWN else ""
    return ", ".join(map(str, rows[:_MOST_ROWS_SHOWN])) + more
