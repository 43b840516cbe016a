"""The config: checked against its schema, defaults filled in, errors in words.

Imported while the workflow is parsed, so it stands on the standard library, PyYAML and jsonschema alone.
"""

import copy
import difflib
import itertools
import math
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import yaml

from lungsight.errors import UserError
from lungsight.intake.layouts import LAYOUTS
from lungsight.splits.settings import split_problems
from lungsight.training import backbones, systems

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "config.schema.yaml"
SECTIONS_WITH_PRESETS = ("segmentation", "training")
LABELLED_ROLES = ("public", "target", "external")
ROLE_OF_STAGE = {1: "public", 2: "target"}  # of the cohort that a stage is trained on
DIRECT = "2-direct"  # the stage that is trained on the target cohort without stage 1


class Pipeline(NamedTuple):
    """One of the configured combinations, named `framework-backbone-weights`; for the backbone may stand a system."""

    framework: str
    backbone: str
    weights: str

    @property
    def name(self) -> str:
        return "-".join(self)

    @classmethod
    def parse(cls, name: str) -> "Pipeline":
        """The inverse of `name`."""
        return cls(*name.split("-"))


@cache
def config_schema() -> dict:
    """The JSON schema of the config, with defaults and descriptions."""
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


@cache
def presets_of(section: str) -> dict[str, dict]:
    """What each word of a section's `preset` sets."""
    return yaml.safe_load(SCHEMA.with_name(f"{section}.presets.yaml").read_text(encoding="utf-8"))


def with_presets(config: dict) -> dict:
    """A copy of a config as written, with the keys of its sections' presets where it writes none of its own."""
    return config | {section: _with_preset(section, config.get(section, {})) for section in SECTIONS_WITH_PRESETS}


def _with_preset(section: str, written: dict) -> dict:
    chosen = copy.deepcopy(presets_of(section)[written.get("preset", "thesis")])
    for name, value in written.items():
        both = isinstance(value, dict) and isinstance(chosen.get(name), dict)
        chosen[name] = chosen[name] | value if both else value
    return chosen


def with_defaults(value: Any, schema: dict) -> Any:
    """A copy of `value` in which absent keys have the schema's defaults, nested ones too."""
    if not isinstance(value, dict):
        return copy.deepcopy(value)
    known = schema.get("properties", {})
    filled = {name: copy.deepcopy(part["default"]) for name, part in known.items() if "default" in part} | value
    other = schema.get("additionalProperties")
    return {
        name: with_defaults(item, known.get(name, other if isinstance(other, dict) else {}))
        for name, item in filled.items()
    }


def _in_words(error: jsonschema.ValidationError) -> str:
    where = ".".join(map(str, error.absolute_path)) or "the config"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {}))
        sentences = []
        for name in sorted(set(error.instance) - set(known)):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}."
            sentences.append(f"{where}: unknown key {name}; {hint}")
        return "; ".join(sentences)
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"{where}: {', '.join(missing)} must be given."
    if error.validator == "enum":
        return f"{where}: {error.instance!r} is none of {', '.join(map(str, error.validator_value))}."
    if error.validator == "pattern" and where == "results":
        return f"results: {error.instance!r} holds a space, bracket, quote or another character that a shell reads."
    return f"{where}: {error.message}."


def _label_problems(labels: dict) -> list[str]:
    """Class names that are no text, and words that would mean two things."""
    if not all(isinstance(name, str) for name in labels):
        return ["labels: write the names of the classes in quotes, so that they are text."]
    words = [word for name, known in labels.items() for word in {name, *known}]
    return [f"labels: the word {word!r} means both classes." for word in sorted(set(words)) if words.count(word) > 1]


def _layout_problems(name: str, cohort: dict) -> list[str]:
    """Whether a cohort has either a table or a layout, and a layout that fits it."""
    if ("table" in cohort) == ("layout" in cohort):
        return [f"cohorts.{name}: give either table or layout{', not both' if 'table' in cohort else ''}."]
    if "table" in cohort:
        return []
    layout, wrong = LAYOUTS[cohort["layout"]], []
    if "phantom" in cohort:
        wrong.append(f"cohorts.{name}: phantoms have a table; a layout is for a data set as it is distributed.")
    if cohort["format"] != layout.format:
        wrong.append(f"cohorts.{name}.format: layout {cohort['layout']} has format {layout.format}.")
    if cohort["role"] not in layout.roles:
        wrong.append(f"cohorts.{name}.role: layout {cohort['layout']} is for {' or '.join(layout.roles)}.")
    return wrong


def _name_layout_tables(config: dict) -> None:
    """Say where the table of each data set with a layout is written: it names patients, so in the private folder."""
    for name, cohort in config["cohorts"].items():
        if "layout" in cohort:
            cohort["table"] = f"{config['results'].rstrip('/')}.private/layouts/{name}.tsv"


def _training_problems(training: dict) -> list[str]:
    wrong = []
    low, high = training["augmentation"]["brightness"]
    if low > high:
        wrong.append(f"training.augmentation.brightness: {low} is above {high}.")
    for stage, epochs in training["epochs"].items():
        if training["warmup_epochs"] >= epochs:
            wrong.append(f"training.warmup_epochs: {training['warmup_epochs']} leaves nothing of {epochs} in {stage}.")
    return wrong


def _expression_problems(roi_names: dict[str, list[str]]) -> list[str]:
    wrong = []
    for region, expressions in roi_names.items():
        for expression in expressions:
            try:
                re.compile(expression)
            except re.error as error:
                wrong.append(f"intake.roi_names.{region}: {expression!r} is no regular expression: {error}.")
    return wrong


def _not_finite(value: Any, place: str = "") -> list[str]:
    """Numbers that are none, or infinite: no comparison of a schema catches them."""
    if isinstance(value, float):
        return [] if math.isfinite(value) else [f"{place}: {value} is not a number to work with."]
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for name, part in parts for found in _not_finite(part, f"{place}.{name}".lstrip("."))]


def _inconsistencies(config: dict) -> list[str]:
    """What a schema cannot say, of a config that fits it."""
    wrong = []
    roles = [cohort["role"] for cohort in config["cohorts"].values()]
    for role in ("segmentation", "public", "target"):
        if roles.count(role) > 1:
            wrong.append(f"cohorts: {roles.count(role)} have the role {role}; one can.")
    seen: dict[tuple[str, str], str] = {}
    for name, cohort in config["cohorts"].items():
        same = seen.setdefault((cohort["root"], cohort.get("table")), name)
        if same != name:
            wrong.append(f"cohorts: {same} and {name} are the same root and table; one would leak into the other.")
    made = [cohort["root"] for cohort in config["cohorts"].values() if "phantom" in cohort]
    for root in sorted({root for root in made if made.count(root) > 1}):
        wrong.append(f"cohorts: two phantom cohorts are made into {root}; give each a root of its own.")
    for section in ("segmentation", "splits"):
        if abs(sum(config[section]["fractions"]) - 1) > 1e-6:
            wrong.append(f"{section}.fractions: {config[section]['fractions']} do not sum to 1.")
    low, high = config["intake"]["window"]
    if low >= high:
        wrong.append(f"intake.window: {low} is not below {high}.")
    for name, cohort in config["cohorts"].items():
        wrong += _layout_problems(name, cohort)
    wrong += _training_problems(config["training"])
    wrong += split_problems(config)
    if config["segmentation"]["model"] and config["segmentation"]["method"] != "nnunet":
        wrong.append("segmentation.model: a given model is used by segmentation.method: nnunet alone.")
    if config["segmentation"]["split_unit"] == "slice" and (config["shared_ids"] or config["splits"]["previous"]):
        wrong.append(
            "segmentation.split_unit: slice puts one patient's slices on all sides, which neither shared_ids nor"
            " splits.previous can follow; they need split_unit: patient."
        )
    wrong += _label_problems(config["labels"])
    wrong += _expression_problems(config["intake"]["roi_names"])
    return wrong


def complete_config(config: dict) -> dict:
    """Check a config as the user wrote it and return a copy with every default filled in.

    Raises UserError with all that is wrong, a line each.
    """
    validator = jsonschema.Draft7Validator(config_schema())
    wrong = [_in_words(error) for error in sorted(validator.iter_errors(config), key=lambda e: list(map(str, e.path)))]
    wrong = wrong or _not_finite(config)
    if not wrong:
        filled = with_defaults(with_presets(config), config_schema())
        wrong = _inconsistencies(filled)
    if wrong:
        raise UserError("The config is not right:\n" + "\n".join(f"  {line}" for line in wrong))
    _name_layout_tables(filled)
    return filled


def pipelines_of(config: dict) -> list[Pipeline]:
    """The configured pipelines, in the config's order: every combination, then the systems."""
    chosen = config["pipelines"]
    combined = itertools.product(chosen["frameworks"], chosen["backbones"], chosen["weights"])
    known = ((name, systems.load(name)) for name in chosen["systems"])
    return [
        *(Pipeline(*parts) for parts in combined),
        *(Pipeline(system.framework, name, system.weights) for name, system in known),
    ]


def frameworks_of(config: dict) -> list[str]:
    """The frameworks of the configured pipelines, in their order."""
    return list(dict.fromkeys(pipeline.framework for pipeline in pipelines_of(config)))


def section_of(pipeline: Pipeline) -> dict[str, list[str]]:
    """The config's `pipelines` section that gives this one pipeline."""
    if pipeline.backbone in systems.names():
        return {"frameworks": [], "backbones": [], "weights": [], "systems": [pipeline.backbone]}
    return {"frameworks": [pipeline.framework], "backbones": [pipeline.backbone], "weights": [pipeline.weights]}


def check_pipelines(config: dict) -> None:
    """Raise UserError where no pipeline is chosen, a word is not known, images are too small, or weights are absent.

    Absent weights: a local file of ImageNet weights that a pipeline would start from and that does not exist.
    """
    for name in config["pipelines"]["backbones"]:
        backbones.module_file(name)
    pipelines = pipelines_of(config)
    if not pipelines:
        raise UserError("pipelines: nothing is chosen: give frameworks, backbones and weights, or systems.")
    for pipeline in pipelines:
        check_word(pipeline.backbone, config)
    of_imagenet = [pipeline.backbone for pipeline in pipelines if pipeline.weights == "imagenet"]
    wanted = {systems.recipe_of(word).backbone for word in of_imagenet}
    for name, weights in config["training"]["imagenet"].items():
        if name in wanted and not Path(weights["file"]).is_file():
            raise UserError(f"training.imagenet.{name}.file: {weights['file']} does not exist.")


def check_word(word: str, config: dict) -> None:
    """Raise UserError where the middle word of a pipeline's name is not known, or cannot be trained as configured."""
    backbones.check_image_size(systems.recipe_of(word).backbone, config["training"]["image_size"])
    training = systems.training_settings(word, config["training"])
    if (training["solver"] == "closed_form") != (training["head"] == "extreme_learning_machines"):
        raise UserError(
            "training.solver: closed_form is for head: extreme_learning_machines, and that head for no other;"
            f" {word} has {training['solver']} and {training['head']}."
        )


def cohorts_with_role(config: dict, *roles: str) -> list[str]:
    """Names of the cohorts that have one of the roles, in the config's order."""
    return [name for name, cohort in config["cohorts"].items() if cohort["role"] in roles]


def stages_of(config: dict) -> list[int]:
    """The stages that the config's cohorts allow: 1 needs a public cohort, 2 a target cohort as well."""
    if not cohorts_with_role(config, "public"):
        return []
    return [1, 2] if cohorts_with_role(config, "target") else [1]


def mask_origin(config: dict) -> str:
    """Where lung masks come from: a network `trained` in this run, a `given` one, or the `classical` method."""
    if config["segmentation"]["method"] == "classical":
        return "classical"
    return "given" if config["segmentation"]["model"] else "trained"


def trains_segmentation(config: dict) -> bool:
    """Whether the run trains a segmentation network of its own, for which it needs a cohort with contours."""
    return mask_origin(config) == "trained"
