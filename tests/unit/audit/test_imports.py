"""Only what runs a model imports TensorFlow."""

import subprocess
import sys

import pytest

from tests.factories.workspace import ROOT

WITHOUT_A_MODEL = (
    *("attention_differences", "interventions", "metadata_classifier", "occlusion_tests"),
    *("predictions", "ranking", "rows", "source_classifier", "tables", "verdict"),
)


@pytest.mark.parametrize("name", WITHOUT_A_MODEL)
def test_a_module_that_runs_no_model_imports_without_tensorflow(name: str) -> None:
    code = f"import sys, lungsight.audit.{name}; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "workflow/scripts", capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
