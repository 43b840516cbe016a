"""lungsight: chest CT from DICOM to a report that says whether a classifier looks at the lung.

One package per room of the workflow, each knowing only what is left of it:
intake → segmentation → qc → splits → training → explain → report. `demo` makes input for all of them.
"""

__version__ = "0.1.0"
