"""Plan the demonstration with profiles/kubernetes: there is no cluster here, so no job of it runs."""

import re
from pathlib import Path

import pytest
import yaml

from tests.e2e.test_object_storage import BUCKET, Bucket, bucket
from tests.factories.workspace import ROOT, Workspace

# In no lock: pip install '.[kubernetes,s3-test]', or with pip's --target into a folder that PYTHONPATH names.
plugin = pytest.importorskip(
    "snakemake_executor_plugin_kubernetes", reason="not installed: pip install '.[kubernetes]'", exc_type=ImportError
)

pytestmark = pytest.mark.long  # what the test needs is in no lock
__all__ = ["bucket"]

PROFILE = ROOT / "profiles" / "kubernetes"


def settings() -> dict:
    return yaml.safe_load((PROFILE / "profile.yaml").read_text(encoding="utf-8"))


def test_every_key_is_an_option_of_snakemake_or_a_plugin():
    from snakemake.cli import get_argument_parser

    options = set(get_argument_parser(profiles=[])._option_string_actions)
    assert {f"--{key}" for key in settings()} <= options
    fields = {name.replace("_", "-") for name in plugin.ExecutorSettings.__dataclass_fields__}
    assert {key.removeprefix("kubernetes-") for key in settings() if key.startswith("kubernetes-")} <= fields


def test_volumes_are_claims_with_a_place():
    volumes = plugin.parse_persistent_volumes(settings()["kubernetes-persistent-volumes"])
    assert all(volume.name and Path(volume.path).is_absolute() for volume in volumes)


def test_a_dry_run_plans_the_demonstration(bucket: Bucket, tmp_path: Path):
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8"))
    (tmp_path / "config").symlink_to(ROOT / "config")
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    space = Workspace(tmp_path, config | {"results": "results/test"}, environment=environment)
    storage = ("--default-storage-prefix", f"s3://{BUCKET}/demo", "--storage-s3-endpoint-url", bucket.address)
    done = space.snakemake("--profile", str(PROFILE), *storage, "-n", "all")
    assert done.returncode == 0, done.stdout[-4000:]
    trainings = re.findall(r"^rule train_stage:\n(?:    .*\n)*", done.stdout, flags=re.MULTILINE)
    assert len(trainings) == 16
    asked = settings()["set-resources"]["train_stage"]["mem_mb"].removesuffix(" * attempt")
    for job in trainings:
        assert f"mem_mb={asked}" in job and "gpu=1" in job and "gpu_manufacturer=nvidia" in job and "scale=0" in job
        assert f"s3://{BUCKET}/demo/results/test/models/" in job
