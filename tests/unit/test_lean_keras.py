"""Keras comes without what it does not need, and what it does not need is there for others."""

import subprocess
import sys

import pytest

from tests.factories.workspace import ROOT

CODE = """
import sys
import lungsight.lean_keras
import keras
assert not {"sklearn", "matplotlib"} & set(sys.modules), "Keras has loaded what no program uses with it"
import sklearn, matplotlib
assert sklearn.__version__ and matplotlib.__version__
layer = keras.layers.Dense(1)
assert layer(keras.ops.ones((2, 3))).shape == (2, 1)
"""


def test_keras_loads_neither_scikit_learn_nor_matplotlib_and_programs_may():
    environment = {"PYTHONPATH": str(ROOT / "workflow" / "scripts"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(("wanted", "used"), [(None, "1"), ("0", "0")])
def test_onednn_is_used_unless_the_user_says_otherwise(wanted: str | None, used: str) -> None:
    environment = {"PYTHONPATH": str(ROOT / "workflow" / "scripts"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {"TF_ENABLE_ONEDNN_OPTS": wanted} if wanted else {}
    code = (
        "import lungsight.lean_keras; from tensorflow.python.util import _pywrap_util_port as port;"
        "print(int(port.IsMklEnabled()))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == used
