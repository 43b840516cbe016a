"""Overlays of every model that fit the page, by outcome, with the mean maps."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from lungsight.explain.summary import RIGHT, WRONG
from lungsight.report.pictures import OUTCOMES, Picture, mean_picture, overlay_picture
from lungsight.report.results import Model, RunResults
from lungsight.wording import count

# The page must be small enough to mail. What does not fit stays in explain/<pipeline>/stage<k>/overlays.
GALLERY_BYTES = 9_000_000


class Group(NamedTuple):
    """Pictures under one heading."""

    heading: str
    pictures: list[Picture]


class Gallery(NamedTuple):
    """The pictures of one model.

    Attributes
    ----------
    mean
        Its mean maps.
    groups
        Its overlays that fit the page, by outcome.
    shown, available
        How many those are, and how many there are in all.
    """

    pipeline: str
    stage: int
    mean: Picture
    groups: list[Group]
    shown: int
    available: int


def section(results: RunResults) -> dict[str, Any]:
    """Give the galleries, and the rules by which pictures were chosen."""
    summary = next(iter(results.summaries.values()))
    return {
        "rule": summary["overlays"]["rule"],
        "mean_rule": summary["mean_maps"]["rule"],
        "galleries": [(results.display_name(gallery.pipeline), gallery) for gallery in galleries(results)],
    }


def galleries(results: RunResults) -> list[Gallery]:
    """Choose overlays of every model: the first of each outcome of all models, then the second, while they fit."""
    queue = [
        (turn, model, entry)
        for model, summary in results.summaries.items()
        for turn, entry in _by_turn(summary["overlays"]["pictures"])
    ]
    chosen: dict[Model, list[tuple[str, Picture]]] = {model: [] for model in results.summaries}
    used = 0
    for _, model, entry in sorted(queue, key=lambda item: item[0]):
        folder = results.folder / f"explain/{model[0]}/stage{model[1]}/overlays"
        picture = overlay_picture(folder, entry)
        used += len(picture.source)
        if used > GALLERY_BYTES:
            break
        chosen[model].append((_group_of(entry), picture))
    return [_gallery(results, model, pictures) for model, pictures in chosen.items()]


def _gallery(results: RunResults, model: Model, pictures: list[tuple[str, Picture]]) -> Gallery:
    summary, folder = results.summaries[model], results.folder / f"explain/{model[0]}/stage{model[1]}"
    available = len(summary["overlays"]["pictures"])
    many, labels = results.many_classes, results.run["labels"]
    groups = by_class(pictures, labels) if many else by_outcome(pictures, summary)
    return Gallery(*model, mean_picture(folder, summary), groups, len(pictures), available)


def by_outcome(chosen: list[tuple[str, Picture]], summary: dict[str, Any]) -> list[Group]:
    """Group (outcome, picture) under headings that say how many slices have that outcome."""
    n = {row["outcome"]: row["n"] for row in summary["methods"][0]["outcomes"]}
    groups = []
    for outcome, words in OUTCOMES.items():
        pictures = [picture for its_outcome, picture in chosen if its_outcome == outcome]
        if pictures:
            heading = f"{words.capitalize()}s ({outcome}), {count(n[outcome], 'test slice')}"
            groups.append(Group(heading, pictures))
    return groups


def by_class(chosen: list[tuple[str, Picture]], labels: Sequence[str]) -> list[Group]:
    """Group (class and outcome, picture) of more than two classes, in the order of `labels`, right ones first."""
    groups = []
    for label in labels:
        for outcome, words in ((RIGHT, "predicted rightly"), (WRONG, "taken for another class")):
            pictures = [picture for key, picture in chosen if key == _key(label, outcome)]
            groups += [Group(f"{label}, {words}", pictures)] if pictures else []
    return groups


def _key(label: str, outcome: str) -> str:
    return f"{outcome} {label}"


def _group_of(entry: dict[str, Any]) -> str:
    """Name the group of a picture: its outcome, with more than two classes also its class."""
    return _key(entry["label"], entry["outcome"]) if "explained" in entry else str(entry["outcome"])


def _by_turn(entries: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Give each picture its number within its outcome, from 0."""
    seen: dict[str, int] = {}
    turns = []
    for entry in entries:
        turn = seen.get(_group_of(entry), 0)
        seen[_group_of(entry)] = turn + 1
        turns.append((turn, entry))
    return turns
