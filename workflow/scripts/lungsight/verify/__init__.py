"""Check a package: compute the report's numbers again from its prediction tables, by other code than the run's.

It imports nothing else of lungsight, and needs numpy, pandas and scikit-learn with its SciPy alone:

    PYTHONPATH=workflow/scripts python -m lungsight.verify run.crate.zip

Point values come from scikit-learn. Intervals repeat the run's draws of patients (`numpy.random.default_rng(seed)`),
and are computed from sums over patients instead of weighted rows. What the package holds and this check does not
compute again is listed, so that nobody takes it for checked.
"""
