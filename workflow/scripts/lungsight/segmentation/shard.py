"""Segment the cases of a shard, so that a case that fails loses its own mask alone."""

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
    """Yield the image of every case with its mask. The log names the cases that fail; they are left out.

    All cases are segmented together. After a failure, which may be of any case, the remaining ones follow one by one.

    Parameters
    ----------
    read
        Reads the image of a case.
    segment
        Turns images into images with masks, in any order.

    Raises
    ------
    UserError
        If several cases fail and no case succeeds: the cause is hardly in the scans.
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
            f"None of the {failed} cases of this shard could be segmented; the cause is hardly in the scans. The lines"
            " above name the error, and errors/ in the private folder its place. Correct it and run again."
        )
