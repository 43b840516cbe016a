"""The kind of trace that answers follow: verify's own rule against the audit's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lungsight.audit.verdict import Estimate, Evidence, Making
from lungsight.verify.making import GENERAL, KINDS, followed_kind

AUC = st.floats(0.5, 1.0)
COUNTERFACTUAL = st.one_of(
    st.just((np.nan, np.nan, np.nan)), st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)).map(sorted)
)


@given(st.dictionaries(st.sampled_from(list(KINDS)), st.tuples(AUC, COUNTERFACTUAL)))
def test_the_kind_that_the_audit_takes(found: dict) -> None:
    kinds = [kind for kind in KINDS if kind in found]  # in the order of the table
    telling = {kind: found[kind][0] for kind in kinds}
    estimates = {kind: (found[kind][1][1], found[kind][1][0], found[kind][1][2]) for kind in kinds}
    making = tuple(Making(kind, telling[kind], Estimate(*estimates[kind]), general=kind == GENERAL) for kind in kinds)
    followed = Evidence("whole", 40, *[Estimate()] * 5)._replace(making=making).by_making
    assert followed_kind(telling, estimates) == (followed.trace if followed else None)
