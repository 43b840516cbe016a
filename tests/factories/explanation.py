"""What explain_stage says of a method."""

from lungsight.explain.model_summary import MethodDescription


def made_method(name: str, layer: str = "relu") -> MethodDescription:
    """An entry of methods.json."""
    sign = "+logit for slices predicted positive, −logit for slices predicted negative"
    return MethodDescription(method=name, layer=layer, explained="logit", sign=sign, map_size=[4, 4])
