"""Measure what a job of a network spends before its first result, in processor time: import, weights, network, traces.

python benchmarks/start_up.py --size 256 --backbone densenet201
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
IMPORT = "import time; start = time.process_time(); {}; print(time.process_time() - start)"
HEAD = {"head_units": 1024, "head_activation": "relu", "batch_norm_momentum": 0.99}  # the thesis's


def seconds_of_import(statement: str) -> float:
    """Return the processor time of an import in a process of its own."""
    command = [sys.executable, "-c", IMPORT.format(statement)]
    done = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, check=True)
    return float(done.stdout)


def parts_of_a_job(name: str, size: int) -> dict[str, float]:
    """Return the processor time of each part, in the order in which a job comes to it."""
    sys.path.insert(0, str(SCRIPTS))
    import lungsight.lean_keras  # noqa: F401  # isort: split
    from lungsight.audit.model_outputs import ModelOutputs
    from lungsight.explain.gradcam import GradCam, methods_for
    from lungsight.training import backbones
    from lungsight.training.device import prepare_device
    from lungsight.training.network import build_classifier, load_classifier, load_weights, make_inference

    prepare_device(1, 0)
    backbone, settings = backbones.load(name), {"image_size": size, **HEAD}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model = build_classifier(backbone, settings)
        model.save(path)
        parts = {
            "build the network": lambda: build_classifier(backbone, settings),
            "load weights as Keras does": lambda: model.load_weights(path),
            "load weights": lambda: load_weights(model, path, "weights"),
            "load the model": lambda: load_classifier(path),
            "trace predictions": lambda: make_inference(model, backbone),
            "trace maps": lambda: GradCam(model, methods_for(model, backbone.explained_layer)),
            "trace the audit": lambda: ModelOutputs(model, backbone),
        }
        measured = {}
        for part, work in parts.items():
            start = time.process_time()
            work()
            measured[part] = time.process_time() - start
    return measured


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--backbone", default="densenet201")
    arguments.add_argument("--size", type=int, default=256, help="rows and columns of the images")
    options = arguments.parse_args()
    imports = {"import Keras": "import keras", "import Keras leanly": "import lungsight.lean_keras"}
    measured = {part: seconds_of_import(statement) for part, statement in imports.items()}
    for part, seconds in (measured | parts_of_a_job(options.backbone, options.size)).items():
        print(f"{part:<28}{seconds:6.1f} s")


if __name__ == "__main__":
    main()
