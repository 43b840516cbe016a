"""Define the remedies against shortcuts, one file each; the rest of the workflow knows a remedy by its file's name.

To add a remedy, add a module to this folder that defines `REMEDY`, and its settings, if it has any, under
`training.remedies` in the config's schema. The docstring says what the remedy does, where it comes from and what it
costs; the report prints it. A remedy changes keys of the config's `training` section, the training step
(`training.treatment`), the network (`Architecture` of `training.network`), or several of them. It must not import
TensorFlow before one of these is made: a config is checked against the remedies while the workflow is parsed.
"""

import ast
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lungsight.errors import UserError

NONE = "none"  # the word of the config for a training without a remedy; it adds no word to a pipeline's name
# What the audit measures with. A model that was trained on one of these gives no evidence by it any more.
SWAP, MAPS, MAKING = "swap", "maps", "making"
INSTRUMENTS = {
    SWAP: "slices with a part of another patient",
    MAPS: "gradients of its output, from which maps are made",
    MAKING: "slices whose making was changed",
}
# What a treatment may need beyond the images.
LUNGS, SOURCES, COMPANION, GENERATED = "lungs", "sources", "companion", "generated"
# What a remedy may need of a backbone, and of the patients of each class: as many as its setting `sub_classes` says.
WEIGHED, PATIENTS = "weighed", "patients"
NEEDS = (LUNGS, SOURCES, COMPANION, GENERATED, WEIGHED, PATIENTS)


@dataclass(frozen=True)
class Remedy:
    """What one remedy changes.

    Attributes
    ----------
    treatment
        What makes the `training.treatment.Treatment` of a training from its `training.treatment.Material`. None where
        the step is as without a remedy.
    architecture
        What makes the `training.network.Architecture` of a network from the remedy's settings. None where the network
        is as without a remedy.
    training
        Keys of the config's `training` section that the remedy sets.
    input_views
        Where it has something to change: of segmented slices all but the lung is black.
    needs
        Of NEEDS. COMPANION: the training images of stage 1, in stage 2. GENERATED: slices that a generator drew.
        WEIGHED: a backbone whose file says which of its layers are weighed.
    instruments
        Of INSTRUMENTS: what the model is trained on.
    generator_of_each_class
        With GENERATED: whether each class has a generator of its own. Else one draws slices of all, and knows no class.
    """

    treatment: Callable[[Any], Any] | None = None
    architecture: Callable[[dict[str, Any]], Any] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    input_views: tuple[str, ...] = ("whole", "segmented")
    needs: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    generator_of_each_class: bool = True

    def is_for(self, stage: int | str) -> bool:
        """Whether it changes a stage (1, 2, or the control): one that needs COMPANION has it in stage 2 alone."""
        return COMPANION not in self.needs or str(stage) == "2"


PLAIN = Remedy()


def names() -> list[str]:
    """List the remedies, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")


def _module(name: str) -> Any:
    if name not in names():
        raise UserError(f"pipelines.remedies: {name!r} is not known; known are {', '.join([NONE, *names()])}.")
    return importlib.import_module(f"{__name__}.{name}")


def load(name: str) -> Remedy:
    """Load a remedy; "" is none. Raises UserError, which lists the known names, for any other name."""
    return _module(name).REMEDY if name else PLAIN


def description_of(name: str) -> tuple[str, str]:
    """Return what a remedy does, in one line, and where it comes from and what it costs, in one paragraph."""
    # From the file: a program that asks modules for their docstrings runs again after an edit of any of them.
    module = ast.parse((Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8"))
    title, _, rest = (ast.get_docstring(module) or "").partition("\n")
    return title, " ".join(rest.split())
