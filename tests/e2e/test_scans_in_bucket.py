"""Run the workflow with scans and results in a bucket of a real S3 server (moto)."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

pytest.importorskip("snakemake_storage_plugin_s3", reason="run `make test-bucket`", exc_type=ImportError)
pytest.importorskip("moto.server", exc_type=ImportError)

from lungsight.errors import UserError
from lungsight.intake import bucket as in_bucket
from lungsight.intake import s3
from tests.e2e.test_object_storage import interrupt_on_the_way, options_of, small_workspace, tables_made
from tests.factories.bucket import BUCKET, KEYS, Bucket, running_bucket
from tests.factories.workspace import Workspace

SCANS, STUDY = "scans", "study"


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    """Return the scans."""
    with running_bucket(SCANS) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def results(bucket: Bucket) -> Bucket:
    """Return the results."""
    return Bucket(bucket.address, STUDY)


@dataclass
class Run:
    """A workspace and what is added to its command."""

    space: Workspace
    options: list[str]

    def snakemake(self, *words: str) -> str:
        done = self.space.snakemake(*self.options, *words)
        assert "Traceback" not in done.stdout, done.stdout[-4000:]
        return done.stdout

    def reach(self, target: str) -> str:
        done = self.space.snakemake(*self.options, "--cores", "2", "--show-failed-logs", target)
        assert done.returncode == 0, done.stdout[-8000:]
        return done.stdout


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run to the splits with scans of the user's, and results, on the disk."""
    workspace = small_workspace(tmp_path_factory.mktemp("disk") / "run")
    for name, cohort in workspace.config["cohorts"].items():
        workspace.must_reach(f"phantoms/{name}", "phantom_cohort")
        del cohort["phantom"]
    workspace.write_config()
    run = Run(workspace, [])
    run.reach("split")
    return run


@pytest.fixture(scope="module")
def run(on_disk: Run, bucket: Bucket, results: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run to the splits with the same scans, and results, in the bucket, under the same key, and interrupted once."""
    bucket.put_folder(on_disk.space.folder / "phantoms")
    workspace = small_workspace(tmp_path_factory.mktemp("bucket") / "run")
    for name, cohort in workspace.config["cohorts"].items():
        cohort["root"] = f"s3://{BUCKET}/{SCANS}/{name}"
        del cohort["phantom"]
        shutil.copy2(on_disk.space.folder / f"{name}.tsv", workspace.folder)
    workspace.write_config()
    workspace.private_folder.mkdir(parents=True, mode=0o700)
    shutil.copy2(on_disk.space.private_folder / "key", workspace.private_folder / "key")
    run = Run(workspace, options_of(bucket, f"s3://{BUCKET}/{STUDY}"))
    interrupt_on_the_way(workspace.start(*run.options, "split"), results)
    run.reach("split")
    return run


def tables_of(run: Run) -> dict[str, bytes]:
    """Read the tables that follow from scans on the disk; those of headers and of files among them."""
    more = [path for name in ("people.tsv", "forensics.tsv") for path in run.space.run_folder.glob(f"cohorts/*/{name}")]
    return tables_made(run.space) | {str(path.relative_to(run.space.folder)): path.read_bytes() for path in more}


def test_the_tables_are_those_of_scans_on_the_disk(on_disk, run, results):
    made = tables_of(on_disk)
    assert len(made) > 15
    assert {name: results.content(name) for name in made} == made


def test_nothing_is_left_to_do_and_the_list_holds_no_scan(run):
    assert "Nothing to be done" in run.snakemake("-n", "split")
    listed = [path for path in (run.space.private_folder / "listed").rglob("*") if path.is_file()]
    assert len(listed) > 50
    assert not any(path.read_bytes().strip(b"\0") for path in listed)


def test_one_changed_object_converts_its_shard_alone(run, bucket):
    name = sorted(name for name in bucket.names() if name.endswith(".dcm"))[0]
    content = bucket.content(name)
    bucket.put(name, content + b"\0" * 2)
    planned = run.snakemake("-n", "split")
    bucket.put(name, content)
    assert planned.count("rule convert:") == 1, planned[-4000:]
    run.reach("split")  # its time is another one now


def test_what_is_not_in_the_bucket_is_an_error_of_its_row(run, bucket):
    name = sorted(name for name in bucket.names() if name.startswith("curated/") and name.endswith(".png"))[0]
    content = bucket.content(name)
    bucket.delete(name)
    said = run.snakemake("-n", "split")
    bucket.put(name, content)
    run.reach("split")
    assert f"path does not exist below s3://{BUCKET}/{SCANS}/curated" in said, said[-3000:]


@pytest.mark.parametrize(
    ("root", "sentence"),
    [
        ("s3://no-such-bucket/scans", "There is no such bucket at this address"),
        (f"s3://{BUCKET}/elsewhere", "holds no object"),
    ],
)
def test_a_root_that_is_no_folder_of_a_bucket_is_refused(run, root, sentence):
    cohort = run.space.config["cohorts"]["curated"]
    written = cohort["root"]
    cohort["root"] = root
    run.space.write_config()
    said = run.snakemake("-n", "split")
    cohort["root"] = written
    run.space.write_config()
    assert sentence in said, said[-3000:]


def test_a_root_that_holds_the_results_is_refused(run):
    cohort, table = run.space.config["cohorts"]["curated"], run.space.folder / "curated.tsv"
    written, root = table.read_text(encoding="utf-8"), cohort["root"]
    cohort["root"] = f"s3://{BUCKET}"
    columns = [line.split("\t") for line in written.splitlines()]
    for line in columns[1:]:
        line[1:] = [f"{SCANS}/curated/{field}" if "/" in field else field for field in line[1:]]
    table.write_text("\n".join("\t".join(line) for line in columns) + "\n", encoding="utf-8")
    run.space.write_config()
    said = run.snakemake("-n", "split")
    cohort["root"] = root
    table.write_text(written, encoding="utf-8")
    run.space.write_config()
    assert "cohorts.curated.root holds the results of this run" in said, said[-3000:]


def test_a_storage_that_does_not_answer_ends_the_run_before_any_job(run):
    run.space.environment["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:9"
    said = run.snakemake("-n", "split")
    del run.space.environment["AWS_ENDPOINT_URL_S3"]
    assert "cannot be read (EndpointConnectionError)" in said, said[-3000:]


@pytest.mark.long  # two networks are trained twice
def test_the_report_has_the_tables_of_scans_on_the_disk(on_disk, run, results):
    on_disk.reach("all")
    run.reach("all")
    made = tables_of(on_disk)
    assert {"results/test/report/metrics.tsv", "results/test/report/verdicts.tsv"} <= set(made)
    assert {name: results.content(name) for name in made} == made
    test_the_scans_leave_no_name_in_the_results(run, results)


@pytest.fixture
def folder(bucket, monkeypatch) -> Iterator[in_bucket.ScanBucket]:
    """Return a folder of the bucket of its own, as this process sees it."""
    for name, value in (KEYS | {"AWS_ENDPOINT_URL_S3": bucket.address, "AWS_DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(name, value)
    forget = s3.client.cache_clear
    forget()
    yield in_bucket.ScanBucket(f"s3://{BUCKET}/own")
    forget()
    for entry in bucket.client.list_objects_v2(Bucket=BUCKET, Prefix="own/").get("Contents", []):
        bucket.client.delete_object(Bucket=BUCKET, Key=entry["Key"])


def put(bucket: Bucket, **contents: bytes) -> None:
    for name, content in contents.items():
        bucket.client.put_object(Bucket=BUCKET, Key=f"own/{name}", Body=content)


def test_a_list_follows_the_bucket(folder, bucket, tmp_path):
    put(bucket, **{"a/1.dcm": b"x" * 10, "a/2.dcm": b"y", "b/": b"", "labels.csv": b"a,b"})
    place = tmp_path / "list"
    assert folder.list_into(place, with_tables=True) == []
    sizes = {str(path.relative_to(place)): path.stat().st_size for path in place.rglob("*") if path.is_file()}
    assert sizes == {"a/1.dcm": 10, "a/2.dcm": 1, "labels.csv": 3}
    assert (place / "labels.csv").read_bytes() == b"a,b" and not (place / "a/1.dcm").read_bytes().strip(b"\0")
    bucket.client.delete_object(Bucket=BUCKET, Key="own/a/2.dcm")
    bucket.client.delete_object(Bucket=BUCKET, Key="own/a/1.dcm")
    put(bucket, **{"labels.csv": b"a,b,c"})
    assert folder.list_into(place, with_tables=True) == []
    assert [path.name for path in place.rglob("*")] == ["labels.csv"] and (
        place / "labels.csv"
    ).read_bytes() == b"a,b,c"


def test_a_name_that_leads_out_of_the_folder_is_left_out(folder, bucket, tmp_path):
    put(bucket, **{"../out.png": b"x", "a//b.png": b"x", "c": b"x", "c/d.png": b"x", f"{'e' * 300}.png": b"x"})
    assert folder.list_into(tmp_path / "list", with_tables=False) == [
        "4 objects are left out, since no file can have their names."
    ]
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")) == ["list/c/d.png"]
    with in_bucket.scans_at_hand(folder.address, ["c/d.png", "../out.png", "a"]) as root:
        assert [path.name for path in root.rglob("*") if path.is_file()] == ["d.png"]
    assert not root.exists()


def test_lists_are_for_the_owner_alone_and_go_with_their_cohort(folder, bucket, tmp_path):
    put(bucket, **{"a/1.png": b"x", "a/2.csv": b"x"})
    lists = tmp_path / "run.private" / "listed"
    cohorts = {"a": {"root": folder.address}, "b": {"root": folder.address, "layout": "some"}}
    in_bucket.listed_cohorts(cohorts, lists, list_now=True)
    assert {path.name for path in lists.iterdir()} == {"a", "b.some", ".lock"}
    assert not any(path.stat().st_mode & 0o77 for path in (lists.parent, lists, *lists.glob("[ab]*")))
    in_bucket.listed_cohorts({"a": {"root": "data"}}, lists, list_now=True)
    assert {path.name for path in lists.iterdir()} == {".lock"}


def test_another_content_of_the_same_second_and_size_is_seen(folder, bucket, tmp_path):
    found = []
    for content in (b"one", b"two"):
        put(bucket, **{"a.png": content})
        folder.list_into(tmp_path / "list", with_tables=False)
        found.append((tmp_path / "list/a.png").stat().st_mtime_ns % 10**9)
    assert found[0] != found[1]


def test_archived_objects_are_counted_before_any_job(folder, bucket, tmp_path):
    put(bucket, **{"a.png": b"x"})
    bucket.client.put_object(Bucket=BUCKET, Key="own/old.png", Body=b"x", StorageClass="GLACIER")
    assert folder.list_into(tmp_path / "list", with_tables=False) == ["1 objects are archived: restore them."]
    assert [path.name for path in (tmp_path / "list").iterdir()] == ["a.png"]
    with in_bucket.scans_at_hand(folder.address, ["old.png"]) as root:  # the storage answers InvalidObjectState
        assert not list(root.iterdir())


@pytest.mark.parametrize("name", ["a", "é" * 124])
def test_what_is_gone_when_it_is_copied_is_absent_and_costs_no_other(folder, bucket, name, monkeypatch):
    put(bucket, **{f"p/{name}.png": b"x", "p/gone.png": b"x"})
    objects = in_bucket.ScanBucket.objects_of_scan

    def objects_then_deleted(self, path, most=None):
        yield from list(objects(self, path, most))
        bucket.client.delete_object(Bucket=BUCKET, Key="own/p/gone.png")

    monkeypatch.setattr(in_bucket.ScanBucket, "objects_of_scan", objects_then_deleted)
    with in_bucket.scans_at_hand(folder.address, ["p"]) as root:
        assert [path.name for path in (root / "p").iterdir()] == [f"{name}.png"]


def test_a_scan_is_copied_with_its_other_half_and_no_neighbour(folder, bucket):
    names = ["p/1.nii", "p/1.nii.gz", "q.hdr", "q.img.gz", "p/1/x.dcm", "p/10/x.dcm"]
    put(bucket, **dict.fromkeys(names, b"x"))
    for paths, copied in (
        (["p/1.nii", "", "q.img.gz", "absent"], ["p/1.nii", "q.hdr", "q.img.gz"]),
        (["p/1"], ["p/1/x.dcm"]),
        (["."], sorted(names)),
    ):
        with in_bucket.scans_at_hand(folder.address, paths) as root:
            assert sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) == copied
    with in_bucket.scans_at_hand(folder.address, ["."], most=2) as root:
        assert len([path for path in root.rglob("*") if path.is_file()]) == 2


@pytest.mark.parametrize("call", ["get_paginator", "download_fileobj"])
def test_a_storage_that_fails_ends_the_job_with_a_sentence_that_names_no_scan(folder, bucket, monkeypatch, call):
    put(bucket, **{"Doe_Jane/1.png": b"x"})
    client = s3.client()

    def fail(*_, **__):
        raise s3.ClientError({"Error": {"Code": "SlowDown", "Message": "own/Doe_Jane/1.png"}}, "GetObject")

    class Failing:
        """The client, one of whose calls fails."""

        def __getattr__(self, name: str):
            return fail if name == call else getattr(client, name)

    monkeypatch.setattr(s3, "client", Failing)
    with (
        pytest.raises(UserError, match="the storage answers SlowDown") as raised,
        in_bucket.scans_at_hand(folder.address, ["Doe_Jane/1.png"]),
    ):
        pass
    assert "Doe" not in str(raised.value)


def test_the_scans_leave_no_name_in_the_results(run, results):
    """No table, log or benchmark names an object, and nothing lies in the bucket but results and scans."""
    tables = [(run.space.folder / f"{name}.tsv").read_text(encoding="utf-8") for name in run.space.config["cohorts"]]
    paths = [line.split("\t")[1].encode() for table in tables for line in table.splitlines()[1:]]
    texts = {name: results.content(name) for name in results.names() if not name.endswith((".png", ".nii.gz"))}
    assert len(texts) > 30 and len(paths) > 10
    assert not [name for name, text in texts.items() if any(path in text for path in paths)]
    assert all(name.startswith("results/test/") for name in texts)
    assert not [name for name in os.listdir(run.space.folder) if name.startswith("s3:")]
