"""Leave whole sources out: which source tests, which one validates.

The rule: a source can test or validate when it holds both classes. Of these, the one whose number of patients is
nearest to the wanted share of test becomes test; of the rest, the one nearest to the share of val becomes val; all
others train. Of two that are as near the earlier in the table is taken. The config may name both instead.
"""

import pandas as pd

from lungsight.errors import UserError
from lungsight.subsets import SUBSETS


def _in_words(sources: pd.DataFrame) -> str:
    return "; ".join(f"{row.names} ({row.patients} patients, {row.classes})" for row in sources.itertuples())


def describe_sources(slices: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """One row per group of sources, in table order: `names`, `patients`, `classes` in words and `both`.

    slices: of one cohort. Sources that share a patient are one group, named "A + B".
    """
    by_group = slices.groupby(groups)
    return pd.DataFrame(
        {
            "names": by_group["source"].unique().map(" + ".join),
            "patients": by_group["patient"].nunique(),
            "classes": by_group["label"].unique().map(" and ".join),
            "both": by_group["label"].nunique() == 2,
        }
    )


def subsets_by_source(
    slices: pd.DataFrame, groups: pd.Series, given: pd.Series, fractions: list[float], wanted: dict[str, str]
) -> pd.Series:
    """The side of every group of sources, by the rule above.

    slices: `cohort patient label source` of one cohort. given: the side that a group has by the user's table, or "".
    wanted: side → the source that the config names, or "". Raises UserError where three sides cannot be filled.
    """
    sides = given.copy()
    cohort, sources = slices["cohort"].iloc[0], describe_sources(slices, groups)
    if (sides == "test").all():  # an external cohort
        return sides
    if len(sources) < len(SUBSETS):
        raise UserError(
            f"cohort {cohort}: splits.unit: source needs three sources at least, one for each side. The column source"
            f" of its table has {len(sources)}: {_in_words(sources)}. Name more, or give the cohort another split_unit."
        )
    shares = dict(zip(SUBSETS, fractions, strict=True))
    for side in ("test", "val"):
        if (sides == side).any():
            continue
        named_for = {other: _index_of(sources, wanted[other]) for other in ("test", "val")}
        others = named_for["val" if side == "test" else "test"]
        able = sources[sources["both"] & (sides == "") & ~sources.index.isin(others)]
        if wanted[side]:
            named = named_for[side]
            if named.empty or sides[named[0]] not in ("", side):
                raise UserError(
                    f"splits.{side}_source: {wanted[side]} is no free source of cohort {cohort}; it has"
                    f" {_in_words(sources)}. cohorts.{cohort}.{side}_source names one for this cohort alone."
                )
            sides[named[0]] = side
        elif able.empty:
            raise UserError(
                f"cohort {cohort}: no source is left that could be {side}: it must hold both classes. The sources are"
                f" {_in_words(sources)}. Give the cohort another split_unit."
            )
        else:
            distance = (able["patients"] / sources["patients"].sum() - shares[side]).abs().round(9)
            sides[distance.idxmin()] = side
    return sides.mask(sides == "", "train")


def _index_of(sources: pd.DataFrame, name: str) -> pd.Index:
    """Where the source that the config names stands; several may have been joined into one."""
    return sources.index[sources["names"].str.split(" + ", regex=False).map(lambda names: name in names)]
