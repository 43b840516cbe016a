"""The cases of a shard, segmented so that one that fails costs its own mask and no other."""

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from lungsight.errors import UserError
from lungsight.program import keep_private, log
from lungsight.segmentation.volumes import Image

Segmented = tuple[Image, np.ndarray]


def segment_cases(
    cases: Sequence[str], read: Callable[[str], Image], segment: Callable[[Iterable[Image]], Iterator[Segmented]]
) -> Iterator[Segmented]:
    """Every case's image with its mask, without the cases that fail, which the log names.

    segment: images to images with masks, in any order. It is given all cases together; from a failure on, when nobody
    knows whose it was, the cases that are left one by one. Raises UserError where all of several cases fail: that is
    hardly the scans' fault.
    """
    left = dict.fromkeys(cases)
    try:
        for image, mask in segment(map(read, cases)):
            del left[image.case]
            yield image, mask
        return
    except UserError:
        raise
    except Exception as error:
        log(f"the segmentation failed ({type(error).__name__}); the {len(left)} cases left follow one by one")
    failed = 0
    for case in left:
        try:
            yield from segment([read(case)])
        except UserError:
            raise
        except Exception as error:
            failed += 1
            keep_private(f"segment-{case}.txt", traceback.format_exc())
            log(f"case {case}: no lung mask: its segmentation failed ({type(error).__name__})")
    if failed == len(cases) > 1:
        raise UserError(
            f"None of the {failed} cases of this shard could be segmented, which is hardly their fault. The lines above"
            " say with which error, and errors/ in the private folder where; mend it and run again."
        )
