"""Show the network the box around the lung alone.

The baseline that everyone would try first: marks at the edge of a slice are gone, what lies between the lungs and at
their rim stays. The box is that of `training.region: lung_box`. It costs nothing. A slice without a lung mask stays
whole.
"""

from lungsight.training.remedies import Remedy

REMEDY = Remedy(training={"region": "lung_box"})
