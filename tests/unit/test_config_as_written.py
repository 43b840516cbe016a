"""Configs as people write them: what is not right gives a sentence with its key and what to write."""

import datetime
import os
from pathlib import Path

import pytest
import yaml

from lungsight.config import config_schema, with_numbers
from lungsight.config_check import complete_config
from lungsight.config_file import check_config_files
from lungsight.errors import UserError
from lungsight.paths import did_you_mean, did_you_mean_unnamed, path_option, unusual_path

BASE = """
results: {results}
labels: {{Covid-19: [covid], Non Covid: [normal]}}
cohorts:
  hospital: {{role: target, format: dicom, root: {root}, table: {table}}}
{more}
"""


def written(results="results/mine", root="data", table="data.tsv", more=""):
    return BASE.format(results=results, root=root, table=table, more=more)


def read(text: str) -> dict:
    return complete_config(yaml.safe_load(text))


def sentences(text: str) -> str:
    with pytest.raises(UserError) as caught:
        read(text)
    message = str(caught.value)
    assert "Traceback" not in message and "is not of type" not in message and "does not match" not in message
    return message


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SCRATCH", "/scratch/me")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # Keys that YAML makes true, a number, a date or nothing.
        (
            written(more="on: 3"),
            "the config: YAML reads a key as true (yes, no, on and off mean true and false to YAML)",
        ),
        (written(more="2021: {}"), "the config: YAML reads a key as the number 2021; write it in quotes"),
        (written(more="2021-03-01: {}"), "the config: YAML reads a key as the date 2021-03-01; write it in quotes"),
        (written(more="~: {}"), "the config: YAML reads a key as nothing; write it in quotes"),
        (written(more="intake: {no: 1}"), "intake: YAML reads a key as false"),
        (written().replace("hospital:", "2021:"), "cohorts: YAML reads a key as the number 2021"),
        (written().replace("Non Covid:", "no:"), "labels: YAML reads a key as false"),
        # Words that YAML makes so.
        (
            written().replace("[normal]", "[yes]"),
            "labels.Non Covid.0: write the word in quotes; YAML reads it as true.",
        ),
        (
            written().replace("[normal]", "[0]"),
            "labels.Non Covid.0: write the word in quotes; YAML reads it as the number 0",
        ),
        (written().replace("[normal]", "[2020-01-02]"), "YAML reads it as the date 2020-01-02"),
        (written().replace("[normal]", "normal"), "labels.Non Covid: 'normal' is not a list; write [normal]."),
        (written(results="2021_01"), "results: write the word in quotes; YAML reads it as the number 202101."),
        (written(root="007"), "cohorts.hospital.root: write the word in quotes; YAML reads it as the number 7."),
        (written(more="report: {title: 2021}"), "report.title: write the word in quotes"),
        # Numbers.
        (written(more="min_slices: five"), "min_slices: 'five' is not a whole number."),
        (
            written(more="splits: {fractions: ['0,8', 0.1, 0.1]}"),
            "splits.fractions.0: '0,8' is not a number; write 0.8.",
        ),
        (written(more="shared_ids: maybe"), "shared_ids: 'maybe' is not true or false."),
        # Empty sections, and sections of another kind.
        ("results: results/x\ncohorts:\n", "cohorts: nothing is written here (~ and null are nothing too)"),
        (written(more="intake:"), "intake: nothing is written here"),
        (written(root="~"), "cohorts.hospital.root: nothing is written here"),
        (written(more="intake: [1]"), "intake: a list stands where keys belong; write them below it"),
        ("results: results/x\ncohorts:\n- name: a\n", "cohorts: a list stands where keys belong"),
        (
            written(more="intake: yes"),
            "intake: true (yes, no, on and off mean true and false to YAML) stands where keys",
        ),
        (written().replace(", Non Covid: [normal]", ""), "labels: 1 is written here; write at least 2."),
        (written(more="intake: {window: [1]}"), "intake.window: 1 is written here; write at least 2."),
        ("{}", "the config: results, cohorts must be given."),
        # Paths.
        (written(root="~/scans"), "cohorts.hospital.root: '~/scans': ~ is not expanded here; write /home/me/scans"),
        (
            written(table="$SCRATCH/t.tsv"),
            "cohorts.hospital.table: '$SCRATCH/t.tsv': variables are not expanded here; write /scr",
        ),
        (written(table="'${SCRATCH}/t.tsv'"), "write /scratch/me/t.tsv"),
        (
            written(root=r"data\hospital"),
            r"cohorts.hospital.root: 'data\\hospital': write / between folders: data/hospital",
        ),
        (written(root=r"C:\data"), r"cohorts.hospital.root: 'C:\\data' is a path of Windows; write where it lies here"),
        (written(root="s3://Upper/scans"), "cohorts.hospital.root: 's3://Upper/scans' names no bucket; write s3://"),
        (written(root="s3://lungs/a//b"), "cohorts.hospital.root: 's3://lungs/a//b': write the folder as it is"),
        (written(root="s3://lungs/a/../b"), "write the folder as it is, without //, . and .. in it."),
        (written(root="gs://lungs/scans"), "cohorts.hospital.root: 'gs://lungs/scans' is no path"),
        (written(table="s3://lungs/t.tsv"), "cohorts.hospital.table: 's3://lungs/t.tsv' is no path; of all, only"),
        (
            written(root="'data/{patient}'"),
            "cohorts.hospital.root: 'data/{patient}' holds a brace, which Snakemake reads",
        ),
        (written(more="segmentation: {model: ~/lungs}"), "segmentation.model: '~/lungs': ~ is not expanded here"),
        (written(more="qc: {decisions: $SCRATCH/reviews}"), "qc.decisions: '$SCRATCH/reviews': variables are not"),
        (written(more="splits: {previous: ~/old}"), "splits.previous: '~/old': ~ is not expanded here"),
        (written(results="my run"), "results: 'my run' holds a space; write a path of letters, digits"),
        (written(results="$SCRATCH/x"), "results: '$SCRATCH/x' holds a variable, which is not expanded ($)"),
        (written(results="'results/{run}'"), "results: 'results/{run}' holds '{' and '}'; write a path of letters"),
        (written(results=r"results\mine"), r"results: 'results\\mine' holds a backslash"),
        (written(results="~/results"), "results: '~/results': ~ is not expanded here; write /home/me/results"),
        (written(results="."), "results: '.' is no folder of its own; write for instance results/mine."),
        (
            written(results="-x"),
            "results: '-x' begins with a character that programs read otherwise; choose another name.",
        ),
        # Names.
        (
            written().replace("hospital:", "Hospital-1:"),
            "cohorts: the name 'Hospital-1' is not possible here; write small"
            " letters, digits and _, a letter first (hospital_1).",
        ),
        (written().replace("hospital:", "Hôpital Müller:"), "(hopital_muller)"),
        (written().replace("hospital:", "'1st':"), "(cohort_1st)"),
        (
            written(more="pipelines: {backbones: [ResNet50]}"),
            "pipelines.backbones.0: 'ResNet50' is not possible here; write small letters",
        ),
        (written(more="Min-Slices: 3"), "the config: unknown key Min-Slices; did you mean min_slices?"),
        (written(more="root: data"), "the config: unknown key root; did you mean cohorts.<name>.root?"),
        (written(more="png_size: 64"), "the config: unknown key png_size; did you mean intake.png_size?"),
        (written().replace("dicom", "DICOM"), "'DICOM' is none of dicom, nifti, png. Did you mean dicom?"),
        (written(more="patient_ids: normalize"), "patient_ids: 'normalize' is none of exact, normalise."),
        # Wildcards and formulas.
        (
            written().replace("[normal]", "['{normal}']"),
            "labels.Non Covid.0: '{normal}' is not possible here; write it without { and }",
        ),
        (written().replace("Non Covid:", "'Non {Covid}':"), "labels: the name 'Non {Covid}' is not possible here"),
        (
            written(more="report: {title: 'Where {model} looks'}"),
            "report.title: 'Where {model} looks' is not possible here",
        ),
        (
            written().replace("hospital:", f"{'a' * 300}:"),
            f"cohorts: the name '{'a' * 60}…' has 300 characters; write at most 60.",
        ),
        (written(root="a" * 300), f"cohorts.hospital.root: '{'a' * 40}'… holds a name that is longer than any file's"),
        (written(table=f"x/{'ü' * 128}.tsv"), "cohorts.hospital.table: 'x/üü"),
        (written(more=f"qc: {{decisions: {'d' * 256}}}"), "qc.decisions: 'ddd"),
        (written(more=f"splits: {{previous: {'d' * 256}}}"), "splits.previous: 'ddd"),
        # Classes that people would take for one.
        (written().replace("Non Covid:", "COVID-19:"), "labels: the classes 'Covid-19' and 'COVID-19' differ only in"),
        (written().replace("Non Covid:", "'':"), "labels: a class has no name; write one before its words."),
        # Results among what is not ours.
        (written(results="data"), "results: 'data' and its .private are folders of their own; one of them is cohorts."),
        (written(results="./x/../data/"), "cohorts.hospital.root, whose scans they would mix with."),
        (written(results="data", root="data.private"), "results: 'data' and its .private are folders of their own"),
        (written(results=".snakemake"), "results: '.snakemake' lies in the folder that Snakemake keeps for itself"),
        (written(results=".snakemake/x"), "results: '.snakemake/x' lies in the folder that Snakemake keeps"),
        (written().replace("Non Covid:", "'=1+1':"), "labels: the class '=1+1' would run as a formula"),
        (written().replace("Non Covid:", "'a\\tb':".replace("'", '"')), "holds a tab or line break"),
    ],
)
def test_what_is_not_right_is_said_in_a_sentence(text, words):
    assert words in sentences(text)


def places(schema, path=()):
    """Yield every place in the config that the schema knows, with a name where the user chooses one."""
    for name, part in schema.get("properties", {}).items():
        yield (*path, name)
        yield from places(part, (*path, name))
    if isinstance(other := schema.get("additionalProperties"), dict):
        name = "hospital" if path == ("cohorts",) else "a"
        yield (*path, name)
        yield from places(other, (*path, name))


STRANGE = [
    *(None, [], {}, "x", "", 5, 0, -1, True, False, 1.5, float("nan"), float("inf"), 10**400, b"x"),
    *(datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), ["a"], [1, 2], [None], [[]], [True]),
    *({"a": 1}, {1: 2}, {None: 3}, {True: {}}, "1e5", "a{b}c", "~", "$x", "a\\b", "\0", "ä" * 500, {"x": {"y": [1]}}),
]


def test_no_value_anywhere_ends_with_anything_but_sentences():
    tried = refused = 0
    for place in places(config_schema()):
        for value in STRANGE:
            config = yaml.safe_load(written())
            section = config
            for name in place[:-1]:
                section = section.setdefault(name, {}) if isinstance(section, dict) else {}
            section[place[-1]] = value
            tried += 1
            try:
                complete_config(config)
            except UserError as error:
                refused += 1
                assert "is not of type" not in str(error) and "does not match" not in str(error)
    assert tried > 5000 and refused > tried / 2


def test_results_that_are_a_file_or_lie_in_one_or_cannot_be_written(tmp_path):
    (tmp_path / "taken").write_text("a file")
    assert "results: taken is a file, so no folder can be made there" in sentences(written(results="taken"))
    assert "results: taken is a file" in sentences(written(results="taken/run"))
    (tmp_path / "run.private").write_text("a file")
    assert "results: run.private is a file" in sentences(written(results="run"))
    if os.getuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        assert "results: nothing can be written into locked" in sentences(written(results="locked/run"))


def test_results_are_one_folder_however_they_are_written():
    for results in ("./results/x", "results//x", "results/x/", "results/y/../x"):
        assert read(written(results=results))["results"] == "results/x"


def test_a_path_that_exists_as_it_is_written_is_what_it_says(tmp_path):
    for name in ("~me", "$x", "a\\b", "with space"):
        (tmp_path / name).mkdir()
        assert read(written(root=f"'{name}'"))["cohorts"]["hospital"]["root"] == name


@pytest.mark.parametrize(
    ("text", "value"), [("1e-4", 1e-4), ("1E-4", 1e-4), ("5e-05", 5e-5), ("+1.5e-3", 1.5e-3), ("1e0", 1.0)]
)
def test_a_number_with_an_exponent_is_a_number(text, value):
    config = read(written(more=f"training: {{learning_rate: {{stage1: {text}}}, epochs: {{stage1: 1e2}}}}"))
    assert config["training"]["learning_rate"]["stage1"] == value
    assert config["training"]["epochs"]["stage1"] == 100 and isinstance(config["training"]["epochs"]["stage1"], int)


def test_a_whole_number_is_whole_however_it_is_written():
    for text in ("256", "256.0", "2.56e+2", "2.56e2"):
        size = read(written(more=f"intake: {{png_size: {text}}}"))["intake"]["png_size"]
        assert size == 256 and isinstance(size, int)
    assert "intake.png_size: the number 256.5 is not a whole number." in sentences(
        written(more="intake: {png_size: 256.5}")
    )


def test_a_text_that_looks_like_a_number_stays_a_text_where_the_schema_wants_one():
    assert read(written(root="1e4"))["cohorts"]["hospital"]["root"] == "1e4"
    assert with_numbers({"a": ["1e4"]}, {"properties": {"a": {"items": {"type": "string"}}}}) == {"a": ["1e4"]}


def check(tmp_path: Path, text: str) -> str:
    (tmp_path / "my.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        check_config_files(["my.yaml"])
    return str(caught.value)


def test_keys_that_are_there_twice_are_named_with_their_lines(tmp_path):
    text = "results: x\ncohorts:\n  hospital: {role: target}\n  curated: {role: public}\n  hospital: {role: external}\n"
    assert check(tmp_path, text).startswith(
        "my.yaml, line 5: the key cohorts.hospital is there already in line 3, and one of both would be lost."
    )
    assert "line 2: the key results is there" in check(tmp_path, "results: x\nresults: y\n")
    assert "the key 1 is there" in check(tmp_path, "1: a\n1: b\n")
    (tmp_path / "my.yaml").write_text("a: &x {b: 1}\nc: {<<: *x, b: 2}\n")
    check_config_files(["my.yaml", "absent.yaml"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("results: &a [*a]\n", "my.yaml, line 1: results holds itself, by an alias (*); write out what it holds."),
        ("x: 1\ny: &a\n  - b: [*a]\n", "line 2: y.b holds itself"),
        ("cohorts: &a\n  hospital: {root: *a}\n", "cohorts.hospital.root holds itself"),
        ("&a\nb: *a\n", "b holds itself"),
    ],
)
def test_a_value_that_holds_itself_is_named(tmp_path, text, words):
    assert words in check(tmp_path, text)


def test_aliases_of_aliases_are_looked_at_once(tmp_path):
    lines = ["a0: &a0 [1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
    (tmp_path / "my.yaml").write_text("\n".join(lines))
    check_config_files(["my.yaml"])


def test_paths_are_suggested_that_differ_in_case_or_in_how_accents_are_stored(tmp_path):
    (tmp_path / "Data" / "Hospital").mkdir(parents=True)
    (tmp_path / "Mu\u0308ller").mkdir()
    assert did_you_mean(Path("data/hospital")) == "; did you mean 'Data/Hospital'?"
    assert did_you_mean(Path("data\\hospital")) == "; did you mean 'Data/Hospital'?"
    assert "Its accents are stored in another way" in did_you_mean(Path("M\u00fcller"))
    assert did_you_mean(Path("nothing/like")) == did_you_mean_unnamed(Path("nothing/like")) == "."
    assert did_you_mean_unnamed(Path("data/hospital")).endswith("differs in capitals or spaces?")
    assert did_you_mean_unnamed(Path("data\\hospital")).endswith("differs in a / instead of a backslash?")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (20240115, "scans: Snakemake reads the value as 20240115, no path; write ./ before it: scans=./NAME"),
        (True, "reads the value as True"),
        (float("nan"), "reads the value as nan"),
        (["a", "b"], "reads the value as ['a', 'b']"),
        (None, "scans is empty; write --config scans=PATH"),
        ("~/x", "scans: '~/x': ~ is not expanded here; write /home/me/x"),
    ],
)
def test_a_path_of_the_command_line_that_is_none(value, words):
    with pytest.raises(UserError) as caught:
        path_option({"scans": value}, "scans")
    assert words in str(caught.value)
    assert path_option({"scans": "2024-01 15"}, "scans") == "2024-01 15"


def test_what_is_a_path_as_it_stands():
    for path in ("data", "/mnt/data", "../x", "a b", "ä", "x~", "a$", "100%"):
        assert unusual_path(path) == ""
    for path in ("", " ", "a\0b", "a}b"):
        assert unusual_path(path)
