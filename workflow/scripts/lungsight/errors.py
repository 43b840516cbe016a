"""The two ways in which input can be wrong."""


class UserError(Exception):
    """A mistake that the user can mend. The message says what is wrong, in which file or row, and what to do."""


class BadCase(Exception):
    """One case cannot be used: it gets a row with this message as its reason, and the cohort goes on.

    The message names table rows, file ordinals and DICOM tags, never a path or a name: it reaches public outputs.
    """
