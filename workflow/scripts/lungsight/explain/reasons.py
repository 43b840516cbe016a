"""Why a slice has no metrics: the words of the column `reason` of saliency.tsv.

A slice whose lung mask is missing or did not pass quality control keeps its row. It is left out of everything that
needs the mask, here and in the audit.
"""

import pandas as pd

NOT_FINITE = "the gradient is not finite"
EMPTY = "the map is zero everywhere"
CONSTANT = "the image has one value everywhere"
NO_MASK, NO_LUNG = "no lung mask", "no lung in the mask"
REJECTED = "the lung mask did not pass quality control"
LEFT_OUT = (NO_MASK, NO_LUNG, REJECTED)


def left_out(saliency: pd.DataFrame) -> "pd.Series[bool]":
    """Tell which rows of saliency.tsv are left out because of their lung mask."""
    return saliency["reason"].isin(LEFT_OUT)
