"""Choose the whole sources that are held out: one for test, one for validation.

A source can be test or val if it holds all classes of the cohort, two at least. Of these sources, the one whose number
of patients is nearest to the fraction of test becomes test. Of the rest, the one nearest to the fraction of val becomes
val. All others are train. Of two that are equally near, the earlier one in the table is taken. The config may name both
instead.
"""

import pandas as pd

from lungsight.errors import SplitError
from lungsight.subsets import SUBSETS


def _list_sources(sources: pd.DataFrame) -> str:
    columns = (sources[name] for name in ("names", "patients", "classes"))
    return "; ".join(
        f"{names} ({patients} patients, {classes})" for names, patients, classes in zip(*columns, strict=True)
    )


def describe_sources(slices: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """Describe the sources of one cohort. Sources that share a patient are one group, named "A + B".

    Returns
    -------
    DataFrame
        One row per group, in table order: `names`, number of `patients`, `classes` in words, and whether it holds
        `all` classes of the cohort, two at least.
    """
    by_group = slices.groupby(groups)
    return pd.DataFrame(
        {
            "names": by_group["source"].unique().map(" + ".join),
            "patients": by_group["patient"].nunique(),
            "classes": by_group["label"].unique().map(" and ".join),
            "all": by_group["label"].nunique() == max(2, slices["label"].nunique()),
        }
    )


def subsets_by_source(
    slices: pd.DataFrame, groups: pd.Series, prior: pd.Series, fractions: list[float], named: dict[str, str]
) -> pd.Series:
    """Assign every group of sources to a subset, by the rule above.

    Parameters
    ----------
    slices
        The columns `cohort patient label source` of one cohort.
    prior
        The subset of each group by the user's table, or "".
    fractions
        Of train, val and test.
    named
        For test and val, the source that the config names, or "".

    Raises
    ------
    SplitError
        If the three subsets cannot be filled.
    """
    subsets = prior.copy()
    cohort, sources = slices["cohort"].iloc[0], describe_sources(slices, groups)
    if (subsets == "test").all():  # an external cohort
        return subsets
    if len(sources) < len(SUBSETS):
        raise SplitError(
            f"cohort {cohort}: splits.unit: source needs at least three sources, one for each subset. The column"
            f" source of its table has {len(sources)}: {_list_sources(sources)}. Name more, or give the cohort another"
            " split_unit."
        )
    shares: dict[str, float] = dict(zip(SUBSETS, fractions, strict=True))
    place_of = {subset: _index_of(sources, named[subset]) for subset in ("test", "val")}
    for subset, other in (("test", "val"), ("val", "test")):
        if (subsets == subset).any():
            continue
        candidates = sources[sources["all"] & (subsets == "") & ~sources.index.isin(place_of[other])]
        if named[subset]:
            place = place_of[subset]
            if place.empty or subsets[place[0]] not in ("", subset):
                raise SplitError(
                    f"splits.{subset}_source: {named[subset]} is not a free source of cohort {cohort}; it has"
                    f" {_list_sources(sources)}. cohorts.{cohort}.{subset}_source names one for this cohort alone."
                )
            subsets[place[0]] = subset
        elif candidates.empty:
            raise SplitError(
                f"cohort {cohort}: no source is left that could be {subset}: it must hold"
                f" {'both' if slices['label'].nunique() <= 2 else 'all'} classes. The sources are"
                f" {_list_sources(sources)}. Give the cohort another split_unit."
            )
        else:
            distance = (candidates["patients"] / sources["patients"].sum() - shares[subset]).abs().round(9)
            subsets[distance.idxmin()] = subset
    return subsets.mask(subsets == "", "train")


def _index_of(sources: pd.DataFrame, name: str) -> pd.Index:
    """Find the group with a source that the config names: a group may join several sources."""
    return sources.index[[name in names.split(" + ") for names in sources["names"]]]
