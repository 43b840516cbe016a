"""Silence the libraries that read files: their warnings quote header values, names and dates among them."""

import logging
import os
import warnings

from pydicom import config as pydicom_config


def quiet() -> None:
    """Silence the warnings and logs of file readers in this process."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE


def silent() -> None:
    """Do the same in a process that prints nothing at all: decoders in C write to its standard error."""
    quiet()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
