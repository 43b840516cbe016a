"""What a run must remember so that its models can be asked about new scans: how a scan becomes an image."""

from lungsight import __version__
from lungsight.config import cohorts_with_role
from lungsight.training.pipelines import ROLE_OF_STAGE

FILE = "run.json"
# Sections of the config, and of each the keys that decide how a scan becomes an image and how a model is asked.
REMEMBERED = {
    "intake": ("window", "png_size", "burned_in", "nifti_values", "series"),
    "segmentation": ("method", "mirroring", "postprocessing", "threads"),
    "qc": ("rules",),
    "training": ("image_size", "region", "threads"),
    "explain": ("iou_level", "threads"),
}


def run_settings(config: dict) -> dict:
    """The part of a complete config that is written to `run.json`; no path of the user's is in it."""
    sections = {section: {key: config[section][key] for key in keys} for section, keys in REMEMBERED.items()}
    classes = {name: [name] for name in config["labels"]}
    trained_on = {
        f"stage{stage}": name for stage, role in ROLE_OF_STAGE.items() for name in cohorts_with_role(config, role)
    }
    cohorts = config["cohorts"]
    fewest = {stage: cohorts[name].get("min_slices", config["min_slices"]) for stage, name in trained_on.items()}
    return {
        **{"lungsight": __version__, "seed": config["seed"], "labels": classes},
        **{"trained_on": trained_on, "min_slices": fewest},
        **sections,
    }
