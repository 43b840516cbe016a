"""The ways in which input can be wrong."""


class UserError(Exception):
    """A mistake that the user can correct.

    The message says what is wrong, in which file or row, and what to do.
    """


class SplitError(UserError):
    """A split into subsets that the cohorts, or the settings of the splits, do not allow."""


class BadCase(Exception):
    """A case that cannot be used.

    The case gets a row with this message as its reason, and the cohort goes on. The message reaches public outputs: it
    names table rows, file numbers and DICOM tags, never a path or a name.

    What the user needs to know and public outputs may not hold is added as a note (`add_note`): notes go to the private
    folder.
    """
