"""Find scans that are unlike those of the training.

Facts are compared first: kind of file, window, contrast agent. A kind that no case of the training cohort has is named.
Then three distances to the training slices are measured:

- the largest deviation of a value of the case (spacing, tube voltage, HU, rows and columns),
- the Mahalanobis distance of the descriptors of the image (`image_descriptors`),
- the Mahalanobis distance of the network's pooled features.

The distance of a case is the median over its slices. How far is too far is calibrated on patients that were held out
from the training: their cases give the distribution of the largest of the three distances. A new case is out of
distribution if its conformal p-value by patient is at most ALARM_RATE. That is the share of new patients of the
training's own kind for whom the alarm is false, unless patients are unknown: then those who were held out may be
in the training as well. Facts are not in that share.

References
----------
Lee et al., NeurIPS 31:7167 (2018), Mahalanobis distance of features. Ledoit & Wolf, Journal of Multivariate Analysis
88:365 (2004), the covariance where features outnumber slices. Vovk, Gammerman & Shafer, Algorithmic Learning in a
Random World (2005), conformal p-values. Lee, Barber & Willett, arXiv:2306.06342 (2023), for several cases of a patient.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, cast

import numpy as np
import pandas as pd
from sklearn.covariance import LedoitWolf

from lungsight.predict.image_descriptors import DESCRIPTORS, GROUPS, NAMES
from lungsight.rows import CasesRow
from lungsight.wording import count, listed, number

ALARM_RATE = 0.05
# Column of cases.tsv → its word in `out_of_range`, its name, its unit, and a difference that does not matter.
COMPARED = {
    "rows": ("image size", "rows", "", 16.0),
    "columns": ("image size", "columns", "", 16.0),
    "spacing_row": ("pixel spacing", "pixel spacing", "mm", 0.05),
    "spacing_slice": ("slice spacing", "slice spacing", "mm", 0.5),
    "slice_thickness": ("slice thickness", "slice thickness", "mm", 0.5),
    "kvp": ("tube voltage", "tube voltage", "kV", 5.0),
    "hu_p01": ("HU", "1st percentile of HU", "HU", 25.0),
    "hu_p50": ("HU", "median HU", "HU", 25.0),
    "hu_p99": ("HU", "99th percentile of HU", "HU", 25.0),
}
KINDS = {"series": "DICOM series", "volume": "NIfTI volume", "image": "picture"}
PLURALS = {"series": "DICOM series", "volume": "NIfTI volumes", "image": "pictures"}
FACTS_BESIDE = (
    "Beside that rate, every scan is flagged whose kind of file, window or contrast agent the training does not have: a"
    " NIfTI volume made from DICOM of the training's own scanner as well."
)
FEATURES = "features"
# Every word of the column `out_of_range`.
WORDS = ("file kind", "window", "contrast", *dict.fromkeys(word for word, *_ in COMPARED.values()), *GROUPS, FEATURES)
DISTANCES = ("values", "descriptors", "features")
_TAIL = 1.0  # per cent of the training beyond the limit at each side
_LEAST_SPREAD = 0.01  # of a descriptor or a feature: below it, differences are rounding
_LEAST_DISTANCE = 1e-3
_LEAST_MAD = 0.1  # of the logarithm of a distance
_NORMAL = 1.4826  # standard deviations in a median absolute deviation


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution of the training slices, of d numbers.

    Attributes
    ----------
    mean, spread : (d,) float64
        What a number is standardised by.
    precision : (d, d) float64
        Inverse covariance of the standardised numbers, shrunk.
    """

    mean: np.ndarray
    spread: np.ndarray
    precision: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray) -> "Gaussian":
        """Fit to (n, d) values."""
        mean, spread = values.mean(axis=0), np.hypot(values.std(axis=0), _LEAST_SPREAD)
        fitted = LedoitWolf(assume_centered=True).fit((values - mean) / spread)
        assert fitted.precision_ is not None, "LedoitWolf stores it by default"
        return cls(mean, spread, fitted.precision_)

    def distance(self, values: np.ndarray) -> np.ndarray:
        """Return the Mahalanobis distance of each row of `values`, (n, d), as (n,) float64."""
        away = (values - self.mean) / self.spread
        return np.sqrt(np.maximum(((away @ self.precision) * away).sum(axis=1), 0))


@dataclass(frozen=True)
class Ranges:
    """The ranges of d numbers in the training.

    Attributes
    ----------
    low, middle, high : (d,) float64
        Percentiles _TAIL, 50 and 100 − _TAIL; NaN for a number that no case has.
    least : (d,) float64
        A difference that does not matter.
    """

    low: np.ndarray
    middle: np.ndarray
    high: np.ndarray
    least: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, least: np.ndarray) -> "Ranges":
        """Fit to (n, d) values; a missing one is NaN."""
        known = [column[~np.isnan(column)] for column in values.T]
        percentiles = [
            np.percentile(column, (_TAIL, 50, 100 - _TAIL)) if len(column) else [np.nan] * 3 for column in known
        ]
        low, middle, high = np.array(percentiles).reshape(-1, 3).T
        return cls(low, middle, high, least)

    def deviations(self, values: np.ndarray) -> np.ndarray:
        """Return how far values (n, d) lie from the middle: 1 is at the limit. A missing value does not deviate."""
        upper, lower = self.high - self.middle + self.least, self.middle - self.low + self.least
        away = values - self.middle
        return np.nan_to_num(np.where(away > 0, away / upper, -away / lower), nan=0.0)


@dataclass(frozen=True)
class Described:
    """What is known of n slices.

    Attributes
    ----------
    case : (n,) str
    features : (n, d) float
        Of the network.
    descriptors : (n, k) float
        Of `image_descriptors`.
    """

    case: np.ndarray
    features: np.ndarray
    descriptors: np.ndarray

    def choose(self, chosen: np.ndarray) -> "Described":
        """Choose some of the slices, by place or by mask."""
        return Described(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True)
class TrainingDistribution:
    """The distribution that a model was trained on.

    Attributes
    ----------
    kinds, contrast
        Values of these columns that occur among the cases of the training cohort.
    values, descriptor : Ranges
        Of the columns COMPARED, by case, and of each descriptor, to name the one that differs most.
    descriptors, features : Gaussian
    held_out : (m, 3) float64
        Logarithms of the DISTANCES of the m cases that were held out.
    weights : (m,) float64
        Of these cases: those of a patient sum to 1.
    patients_known
        False: each case counts as a patient.
    """

    kinds: tuple[str, ...]
    contrast: tuple[int, ...]
    values: Ranges
    descriptor: Ranges
    descriptors: Gaussian
    features: Gaussian
    held_out: np.ndarray
    weights: np.ndarray
    patients_known: bool = True

    @property
    def patients(self) -> int:
        """How many patients were held out."""
        return round(float(self.weights.sum()))

    @property
    def alarm_rate(self) -> float:
        """The share of the training's own patients that are flagged: ALARM_RATE, or what so few patients allow."""
        return max(ALARM_RATE, 1 / (self.patients + 1))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays, which are saved as NPZ."""
        parts = {name: asdict(getattr(self, name)) for name in (*DISTANCES, "descriptor")}
        inner = {f"{name}.{key}": array for name, part in parts.items() for key, array in part.items()}
        return inner | {"held_out": self.held_out, "weights": self.weights}

    def to_json(self) -> dict:
        """Return the other fields, which are saved as JSON, and what the page says of the method."""
        return {
            **{"kinds": list(self.kinds), "contrast": list(self.contrast), "held_out_patients": self.patients},
            **{"patients_known": self.patients_known, "alarm_rate": self.alarm_rate, "sentence": self.sentence()},
        }

    def sentence(self) -> str:
        """Say how often the alarm is false, whether the patients allow to say it, and what it leaves out."""
        if not self.patients:
            return "No patient was held out from the training, so only kind of file, window and contrast are compared."
        rate, aim = (f"{100 * share:.0f} %" for share in (self.alarm_rate, ALARM_RATE))
        if not self.patients_known:
            held_out = count(self.patients, "picture" if self.kinds == ("image",) else "scan")
            return (
                f"The limit was set on {held_out} held out from the training. Their patients are unknown and may have"
                f" others in the training, so more than {rate} of new patients of the training's own kind may be"
                f" flagged. {FACTS_BESIDE}"
            )
        chosen = (
            f"The limit was set on {count(self.patients, 'patient')} held out from the training. About {rate} of"
            " patients of the training's own kind are flagged too."
        )
        needed = round(1 / ALARM_RATE) - 1
        few = f" That is more than the {aim} aimed at, which takes {needed} held-out patients."
        return f"{chosen}{few * (self.patients < needed)} {FACTS_BESIDE}"

    @classmethod
    def of(cls, saved: dict[str, Any], arrays: dict[str, np.ndarray]) -> "TrainingDistribution":
        """Restore a distribution from what `to_json` and `arrays` returned."""

        def part(kind: type, name: str) -> Any:
            return kind(**{field.name: arrays[f"{name}.{field.name}"] for field in fields(kind)})

        return cls(
            *(tuple(saved["kinds"]), tuple(saved["contrast"])),
            *(part(Ranges, "values"), part(Ranges, "descriptor")),
            *(part(Gaussian, "descriptors"), part(Gaussian, "features")),
            *(arrays["held_out"], arrays["weights"], saved["patients_known"]),
        )

    def distances(self, values: np.ndarray, slices: Described) -> np.ndarray:
        """Return the logarithms of the DISTANCES of one case, (3,) float64.

        values: (d,) its columns COMPARED. slices: those of the case. Without a slice, only the first is known, and the
        others are −infinity.
        """
        by_case = self.values.deviations(values[None]).max()
        if not len(slices.case):
            return np.array([np.log(by_case + _LEAST_DISTANCE), *[-np.inf] * (len(DISTANCES) - 1)])
        by_slice = [
            self.descriptors.distance(slices.descriptors),
            self.features.distance(slices.features),
        ]
        return np.log(np.array([by_case, *(np.median(each) for each in by_slice)]) + _LEAST_DISTANCE)


def case_values(cases: pd.DataFrame) -> np.ndarray:
    """Return the columns COMPARED of a table `cases` as (n, d) float64."""
    return cases[list(COMPARED)].to_numpy(np.float64)


def fit_training_distribution(
    cases: pd.DataFrame, train: Described, held_out: Described, patients_known: bool = True
) -> TrainingDistribution:
    """Learn the distribution that a model was trained on.

    Parameters
    ----------
    cases
        The table `cases`, of the cases that were trained on or held out.
    train, held_out
        Slices of the training patients, and of other patients of the same cohort.
    patients_known
        False: each case of the cohort counts as a patient.
    """
    trained = cases[cases["case"].isin(train.case)]
    unlimited = TrainingDistribution(
        kinds=tuple(sorted(set(cases["kind"]))),
        contrast=tuple(sorted({int(value) for value in cases["contrast"].dropna()})),
        values=Ranges.fit(case_values(trained), np.array([least for *_, least in COMPARED.values()])),
        descriptor=Ranges.fit(train.descriptors, np.full(len(DESCRIPTORS), _LEAST_SPREAD)),
        descriptors=Gaussian.fit(train.descriptors),
        features=Gaussian.fit(train.features.astype(np.float64)),
        held_out=np.zeros((0, len(DISTANCES))),
        weights=np.zeros(0),
        patients_known=patients_known,
    )
    others = cases[cases["case"].isin(held_out.case)]
    distances = [
        unlimited.distances(values, held_out.choose(held_out.case == case))
        for case, values in zip(others["case"], case_values(others), strict=True)
    ]
    weights = 1 / others.groupby("patient")["case"].transform("size").to_numpy(np.float64)
    return replace(unlimited, held_out=np.array(distances).reshape(-1, len(DISTANCES)), weights=weights)


@dataclass(frozen=True)
class Alarm:
    """Why a case is out of distribution: a word of WORDS, and what was found."""

    word: str
    text: str


def alarms_of(case: CasesRow, slices: Described, distribution: TrainingDistribution) -> list[Alarm]:
    """List why a case is out of distribution; nothing if it is not.

    Parameters
    ----------
    case
        A row of `cases`.
    slices
        Its usable slices; there may be none.
    distribution
        Of the training.
    """
    return _once([*_facts(case, distribution), *_distances(case, slices, distribution)])


def _once(alarms: Iterable[Alarm]) -> list[Alarm]:
    """Keep the first alarm of each word, in the order of WORDS."""
    first: dict[str, Alarm] = {}
    for alarm in alarms:
        first.setdefault(alarm.word, alarm)
    return [first[word] for word in WORDS if word in first]


def _facts(case: CasesRow, distribution: TrainingDistribution) -> list[Alarm]:
    found, kinds = [], distribution.kinds
    if kinds and case["kind"] not in kinds:
        known = listed([PLURALS[kind] for kind in kinds])
        found.append(Alarm("file kind", f"a {KINDS[case['kind']]}, while the training has {known} alone"))
        if case["kind"] == "image":
            found.append(Alarm("window", "unknown in a picture, while that of the training is known"))
        elif set(kinds) == {"image"}:
            found.append(Alarm("window", "that of the training pictures is unknown"))
    if pd.notna(case["contrast"]) and distribution.contrast and int(case["contrast"]) not in distribution.contrast:
        agent = "with" if case["contrast"] else "without"
        found.append(Alarm("contrast", f"{agent} contrast agent, while the training has none such"))
    return found


def p_value(distances: np.ndarray, distribution: TrainingDistribution) -> tuple[float, np.ndarray, float]:
    """Compare a case with those that were held out.

    Each distance is standardised by median and median absolute deviation of all of them, the new case included, so that
    all cases are treated alike. What counts is the largest of a case.

    Parameters
    ----------
    distances : (3,) float64
        Logarithms of the DISTANCES of the case.

    Returns
    -------
    p
        Share of patients that are at least as far, the new one included.
    standardised : (3,) float64
        The distances of the case.
    limit
        What one of them must exceed.
    """
    everybody = np.vstack([distribution.held_out, distances])
    finite = np.where(np.isfinite(everybody), everybody, np.nan)
    with np.errstate(invalid="ignore"):
        middle = np.nanmedian(finite, axis=0)
        spread = np.maximum(_NORMAL * np.nanmedian(np.abs(finite - middle), axis=0), _LEAST_MAD)
    standardised = (everybody - middle) / spread
    largest, weights = standardised.max(axis=1), np.append(distribution.weights, 1.0)
    p = float(weights[largest >= largest[-1]].sum() / weights.sum())
    return p, standardised[-1], _limit(largest[:-1], distribution)


def _limit(largest: np.ndarray, distribution: TrainingDistribution) -> float:
    """Return the largest distance of a held-out case that a flagged case must exceed."""
    order = np.argsort(-largest)
    beyond = (np.cumsum(distribution.weights[order]) + 1) / (distribution.patients + 1)
    return float(largest[order][beyond > distribution.alarm_rate + 1e-9][0])


def _distances(case: CasesRow, slices: Described, distribution: TrainingDistribution) -> list[Alarm]:
    if not distribution.patients:
        return []
    values = np.array([cast("dict[str, float]", case)[name] for name in COMPARED], np.float64)
    p, standardised, limit = p_value(distribution.distances(values, slices), distribution)
    if p > distribution.alarm_rate + 1e-9:
        return []
    says = {
        "values": lambda: _value_alarm(values, distribution.values),
        "descriptors": lambda: _descriptor_alarm(slices, distribution.descriptor),
        "features": lambda: Alarm(FEATURES, "those of the network lie far from the training"),
    }
    return [says[name]() for name, distance in zip(DISTANCES, standardised, strict=True) if distance > limit]


def _value_alarm(values: np.ndarray, ranges: Ranges) -> Alarm:
    place = int(ranges.deviations(values[None])[0].argmax())
    word, name, unit, _ = list(COMPARED.values())[place]
    seen = f"{ranges.low[place]:.4g} to {ranges.high[place]:.4g}"
    found = f"{name} {values[place]:.4g} {unit}".strip()
    return Alarm(word, f"{found} (98 % of the training: {seen})".replace("-", "−"))


def _descriptor_alarm(slices: Described, ranges: Ranges) -> Alarm:
    place = int(np.median(ranges.deviations(slices.descriptors), axis=0).argmax())
    key = DESCRIPTORS[place]
    word = next(word for word, names in GROUPS.items() if key in names)
    value = np.median(slices.descriptors[:, place])
    seen = f"{number(ranges.low[place])} to {number(ranges.high[place])}"
    return Alarm(word, f"{NAMES[key]} {number(value)} (98 % of the training: {seen})".replace("-", "−"))
