"""Write the settings by which a run made images of scans, so that its models can predict new scans."""

from lungsight import __version__
from lungsight.config import cohorts_with_role
from lungsight.training.pipelines import ROLE_OF_STAGE

FILE = "run.json"
# Section of the config → keys that decide how a scan becomes an image and how a model predicts it.
KEYS = {
    "intake": ("window", "png_size", "burned_in", "nifti_values", "plausibility", "series", "harmonise"),
    "segmentation": ("method", "lungmask", "totalsegmentator", "pictures", "mirroring", "postprocessing", "threads"),
    "qc": ("rules",),
    "training": ("image_size", "region", "threads"),
    "explain": ("iou_level", "threads"),
}


def run_settings(config: dict) -> dict:
    """Return the part of a complete config that is written to run.json. It holds no path of the user."""
    sections = {section: {key: config[section][key] for key in keys} for section, keys in KEYS.items()}
    classes = {name: [name] for name in config["labels"]}
    trained_on = {
        f"stage{stage}": name for stage, role in ROLE_OF_STAGE.items() for name in cohorts_with_role(config, role)
    }
    cohorts = config["cohorts"]
    fewest = {stage: cohorts[name].get("min_slices", config["min_slices"]) for stage, name in trained_on.items()}
    return {
        **{"lungsight": __version__, "seed": config["seed"], "labels": classes},
        **{"trained_on": trained_on, "min_slices": fewest},
        "patients_unknown": [name for name, cohort in cohorts.items() if cohort["patients"] == "unknown"],
        **sections,
    }


def cohorts_trained_on(trained_on: dict[str, str], stage: int) -> dict[int, str]:
    """Return the cohorts that the weights of a stage have seen, by stage. trained_on: of run.json."""
    return {number: trained_on[f"stage{number}"] for number in range(1, stage + 1) if f"stage{number}" in trained_on}
