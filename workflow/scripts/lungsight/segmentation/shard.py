"""Segment the cases of a shard, so that a case that fails loses its own mask alone."""

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from lungsight.errors import UserError
from lungsight.parallel import in_processes
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
    _check_some_succeeded(failed, len(cases))


def segment_apart(
    cases: Sequence[str],
    segment: Callable[[str], Segmented],
    write: Callable[[Image, np.ndarray], None],
    processes: int,
) -> Iterator[str]:
    """Segment every case by itself, several at once, and yield it. The log names the cases that fail.

    Parameters
    ----------
    segment
        Reads the image of a case and finds its mask.
    write
        Writes the mask in the process that found it. An error here, as of a full disk, is no failure of the case.

    Raises
    ------
    UserError
        As `segment_cases` does.
    """
    failed = 0
    done = in_processes(partial(_attempt, segment, write), cases, processes)
    for case, succeeded in zip(cases, done, strict=True):
        failed += not succeeded
        yield case
    _check_some_succeeded(failed, len(cases))


def _attempt(segment: Callable[[str], Segmented], write: Callable[[Image, np.ndarray], None], case: str) -> bool:
    """Segment a case and write its mask. Return whether its segmentation succeeded; the log says why not."""
    try:
        segmented = segment(case)
    except UserError:
        raise
    except Exception as error:
        keep_private(f"segment-{case}.txt", traceback.format_exc())
        log(f"case {case}: no lung mask: its segmentation failed ({type(error).__name__})")
        return False
    write(*segmented)
    return True


def _check_some_succeeded(failed: int, cases: int) -> None:
    if failed == cases > 1:
        raise UserError(
            f"None of the {failed} cases of this shard could be segmented; the cause is hardly in the scans. The lines"
            " above name the error, and errors/ in the private folder its place. Correct it and run again."
        )
