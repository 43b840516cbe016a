"""Describe the cohort tables in Croissant 1.0, with the RAI vocabulary: columns, files, and what the numbers say.

Every RAI sentence carries numbers of this run's tables. Nobody's answer is invented: what the tables do not know is not
said.

References
----------
Croissant 1.0: http://mlcommons.org/croissant/1.0. Croissant RAI 1.0: http://mlcommons.org/croissant/RAI/1.0.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from lungsight import __version__
from lungsight.package.archive import digest
from lungsight.package.crate import NO_LICENCE, Published
from lungsight.splits.composition import single_class_sources, slices_per_patient
from lungsight.subsets import SUBSETS
from lungsight.tables import table_schema, types_of
from lungsight.wording import count, listed, number, tally

CROISSANT = "croissant.json"
TSV = "text/tab-separated-values"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{
        "citeAs": "cr:citeAs",
        "column": "cr:column",
        "conformsTo": "dct:conformsTo",
        "cr": "http://mlcommons.org/croissant/",
    },
    **{"rai": "http://mlcommons.org/croissant/RAI/", "data": {"@id": "cr:data", "@type": "@json"}},
    **{"dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/"},
    **{"equivalentProperty": "cr:equivalentProperty", "examples": {"@id": "cr:examples", "@type": "@json"}},
    **{"extract": "cr:extract", "field": "cr:field", "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject"},
    **{"fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset"},
    **{"jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path"},
    **{"recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated"},
    **{"replace": "cr:replace", "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source"},
    **{"samplingRate": "cr:samplingRate", "subField": "cr:subField", "transform": "cr:transform"},
}
CONFORMS = ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]
TYPES = {"integer": "sc:Integer", "number": "sc:Float"}


def described_tables(names: list[str]) -> dict[str, str]:
    """List the cohort tables among the files of a package: file → schema."""
    schemas = {"cases": "cases", "slices": "slices"}
    found = {}
    for name in names:
        folder, *rest = name.split("/")
        stem = rest[-1].removesuffix(".tsv") if rest else ""
        if folder == "cohorts" and len(rest) == 2 and stem in schemas:
            found[name] = schemas[stem]
        elif folder == "splits" and name.endswith(".tsv"):
            found[name] = "split"
    return found


def record_set_name(file: str) -> str:
    """Name the records of a table: cohorts/hospital/cases.tsv → hospital-cases."""
    return "-".join(file.removesuffix(".tsv").split("/")[1:] + (["split"] if file.startswith("splits/") else []))


def _data_type(column: dict[str, Any], values: "pd.Series[Any]") -> str:
    """Choose a Croissant type. Whole numbers with gaps are read as floats, so they are described as such."""
    kinds = types_of(column) - {"null"}
    kind = next((TYPES[name] for name in ("number", "integer") if name in kinds), "sc:Text")
    return "sc:Float" if kind == "sc:Integer" and values.dtype.kind == "f" else kind


def _record_set(file: str, schema: str, table: pd.DataFrame) -> dict[str, Any]:
    columns, name = table_schema(schema)["properties"], record_set_name(file)
    fields = []
    for column in table.columns:
        described = columns.get(column, {})
        text = {"description": described["description"]} if "description" in described else {}
        fields.append(
            {
                **{"@type": "cr:Field", "@id": f"{name}/{column}", "name": column, **text},
                "dataType": _data_type(described, table[column]),
                "source": {"fileObject": {"@id": file}, "extract": {"column": column}},
            }
        )
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def _file_object(file: str, content: bytes) -> dict[str, Any]:
    return {
        **{"@type": "cr:FileObject", "@id": file, "name": file, "contentUrl": file, "encodingFormat": TSV},
        **{"contentSize": f"{len(content)} B", "sha256": digest(content)},
    }


def rai_statements(tables: dict[str, pd.DataFrame], window: list[float], unit: str) -> dict[str, Any]:
    """Answer the questions of the RAI vocabulary that tables can answer, with their numbers.

    Parameters
    ----------
    tables
        File → table, of `described_tables`.
    window
        The intake window in HU.
    unit
        The unit of splitting.
    """
    cases, slices, splits = (
        {k: t for k, t in tables.items() if k.endswith(end) or k.startswith(end)}
        for end in ("/cases.tsv", "/slices.tsv", "splits/")
    )
    rows, images = sum(map(len, cases.values())), sum(map(len, slices.values()))
    # Under `shared_ids` one person has one pseudonym in all cohorts.
    people = len({patient for table in cases.values() for patient in table["patient"]})
    return {
        "rai:dataCollection": " ".join(_collection(cases)),
        "rai:dataPreprocessingProtocol": [
            f"Window {number(window[0], 0)} to {number(window[1], 0)} HU, 8 bit; {count(images, 'slice')}, each with"
            " the SHA-256 of its pixels in slices.tsv.",
            *_subsets(splits, unit),
        ],
        "rai:dataLimitations": list(_limitations(cases)),
        "rai:dataBiases": list(_biases(slices, splits)),
        "rai:personalSensitiveInformation": [
            f"{count(people, 'patient')} and {count(rows, 'case')} under keyed pseudonyms; the key is not published."
            " Acquisition facts of scans are in cases.tsv. No column of these tables is made for a name, a date of"
            " birth or of a scan, an age, a sex or a path. Words of the column source are as the owner wrote them;"
            " nothing checks that they name nobody."
        ],
    }


def _cohort_of(file: str) -> str:
    return file.split("/")[1]


def _collection(cases: dict[str, pd.DataFrame]) -> Iterator[str]:
    for file, table in cases.items():
        states = table["status"].value_counts()
        sources = tally(table["source"])
        yield (
            f"{_cohort_of(file)}: {count(len(table), 'row')} in the table of its owner, {states.get('ok', 0)} taken,"
            f" {states.get('rejected', 0)} rejected, {states.get('skipped', 0)} skipped; sources: {sources}."
        )


def _subsets(splits: dict[str, pd.DataFrame], unit: str) -> Iterator[str]:
    for file, table in splits.items():
        patients = [table.loc[table["split"] == subset, "patient"].nunique() for subset in SUBSETS]
        sizes = ", ".join(f"{subset} {n}" for subset, n in zip(SUBSETS, patients, strict=True))
        yield f"{record_set_name(file)}: split by {unit}; patients: {sizes}."


def _limitations(cases: dict[str, pd.DataFrame]) -> Iterator[str]:
    for file, table in cases.items():
        left_out = table.loc[table["status"] != "ok", "reason"]
        if len(left_out):
            yield f"{_cohort_of(file)}: left out: {tally(left_out)}."
        thickness = table["slice_thickness"].dropna() if "slice_thickness" in table else pd.Series(dtype=float)
        if len(thickness):
            yield (
                f"{_cohort_of(file)}: slice thickness {number(thickness.min(), 1)} to {number(thickness.max(), 1)} mm,"
                f" known of {len(thickness)} of {count(len(table), 'case')}."
            )
        else:
            yield f"{_cohort_of(file)}: slice thickness known of 0 of {count(len(table), 'case')}."


def _biases(slices: dict[str, pd.DataFrame], splits: dict[str, pd.DataFrame]) -> Iterator[str]:
    for file, table in slices.items():
        if single := single_class_sources(table):
            yield f"{_cohort_of(file)}: of {table['source'].nunique()} sources, {listed(single)} hold one class only."
    for file, table in splits.items():
        means = slices_per_patient(table)
        shown = listed([f"{number(mean, 1)} of {label}" for label, mean in means.items()])
        yield f"{record_set_name(file)}: slices of a patient, by class: {shown}."


def croissant_metadata(
    title: str,
    tables: dict[str, pd.DataFrame],
    contents: dict[str, bytes],
    published: Published,
    settings: dict[str, Any],
    date: str,
) -> dict[str, Any]:
    """Write the Croissant description of the cohort tables of a package, as JSON values.

    Parameters
    ----------
    title
        Of the run.
    tables
        File → table, of `described_tables`.
    contents
        Name in the package → bytes.
    published
        What the config says of the package.
    settings
        `intake.window` and `splits.unit` of the config.
    date
        The day on which the run ended.
    """
    schemas = described_tables(list(tables))
    by = f"{', '.join(published.authors)}. " if published.authors else ""
    return {
        **{"@context": CONTEXT, "@type": "sc:Dataset", "name": "lungsight-cohorts", "conformsTo": CONFORMS},
        "description": f"{title}: cases, slices and splits of a lungsight run, without images.",
        **{"license": published.licence or NO_LICENCE, "url": "./", "version": "1.0.0", "datePublished": date},
        **(
            {"creator": [{"@type": "sc:Person", "name": name} for name in published.authors]}
            if published.authors
            else {}
        ),
        "citeAs": f"{by}{title} Cohorts of a run of lungsight {__version__}, {date}.",
        **rai_statements(tables, settings["window"], settings["unit"]),
        "distribution": [_file_object(file, contents[file]) for file in tables],
        "recordSet": [_record_set(file, schemas[file], table) for file, table in tables.items()],
    }
