"""Say which washings the config's `intake.harmonise` asks for. Standard library only."""

from collections.abc import Mapping


def washings_chosen(harmonise: Mapping[str, bool]) -> list[str]:
    """List the washings that are asked for, in the order of the schema."""
    return [name for name, wanted in harmonise.items() if wanted]
