"""Metrics are computed without TensorFlow: it takes seconds to import, and evaluation reads no model."""

import pkgutil
import subprocess
import sys

import lungsight.evaluation

TRAIN_NETWORKS = {f"lungsight.evaluation.{study}.training" for study in ("leakage_inflation", "transfer_study")}


def test_no_other_module_of_evaluation_imports_tensorflow() -> None:
    package = lungsight.evaluation
    modules = [module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    assert set(modules) >= TRAIN_NETWORKS
    imports = "; ".join(f"import {name}" for name in modules if name not in TRAIN_NETWORKS)
    listed = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    finished = subprocess.run(
        [sys.executable, "-c", f"{imports}; {listed}"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert not {"tensorflow", "keras"} & set(finished.stdout.split())
