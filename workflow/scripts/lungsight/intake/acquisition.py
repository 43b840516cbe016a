"""Map free text of a header to closed sets of words: the text itself may name a hospital or a person.

In every set "" means that the header is silent, and "other" that no table here knows what it holds.
"""

import re

KERNELS = ("soft", "lung", "bone", "other")

# First word of ConvolutionKernel, matched whole, by the manufacturers' naming: GE; Canon and Toshiba (FC..); Philips
# (single letters, Y.); Siemens (letters and a number that grows with sharpness: B30f, Br40d, I70f).
_KERNELS = (
    ("soft", r"STANDARD|STND|SOFT|DETAIL|SMOOTH|FC[01]\d|[ABC]|SIEMENS:[1-3]\d|SIEMENS:4[0-5]"),
    ("lung", r"LUNG|CHEST|CHST|FC5\d|FC8\d|L|Y[ABC]|SIEMENS:4[6-9]|SIEMENS:[56]\d"),
    ("bone", r"BONE|BONE\+|BONEPLUS|EDGE|FC[23]\d|[DE]|SIEMENS:[7-9]\d"),
)
_SIEMENS = re.compile(r"[BHIJQUTV][A-Z]?(\d\d)[A-Z]?")

_MANUFACTURERS = (
    ("siemens", r"SIEMENS"),
    ("ge", r"\bGE\b|GENERAL ELECTRIC"),
    ("philips", r"PHILIPS|MARCONI|PICKER"),
    ("canon", r"CANON|TOSHIBA"),
    ("united_imaging", r"UNITED IMAGING|UIH"),
    ("fujifilm", r"FUJI|HITACHI"),
    ("neusoft", r"NEUSOFT"),
)
MANUFACTURERS = (*(name for name, _ in _MANUFACTURERS), "other")

_JPEG = "1.2.840.10008.1.2.4."
_SYNTAXES = {
    **dict.fromkeys(("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"), "uncompressed"),
    **{"1.2.840.10008.1.2.1.99": "deflated", "1.2.840.10008.1.2.5": "rle"},
    **dict.fromkeys((f"{_JPEG}50", f"{_JPEG}51"), "jpeg"),
    **dict.fromkeys((f"{_JPEG}57", f"{_JPEG}70"), "jpeg_lossless"),
    **dict.fromkeys((f"{_JPEG}80", f"{_JPEG}81"), "jpeg_ls"),
    **dict.fromkeys((f"{_JPEG}90", f"{_JPEG}91"), "jpeg_2000"),
    **dict.fromkeys((f"{_JPEG}201", f"{_JPEG}202", f"{_JPEG}203"), "htj2k"),
}
SYNTAXES = (*dict.fromkeys(_SYNTAXES.values()), "other")
_LOSSY_SYNTAXES = {f"{_JPEG}50", f"{_JPEG}51", f"{_JPEG}81"}


def kernel_class(kernel: str) -> str:
    """Classify a ConvolutionKernel (capitals, several values as one text) as one of KERNELS, or ""."""
    words = re.findall(r"[A-Z0-9+]+", kernel)
    if not words:
        return ""
    siemens = _SIEMENS.fullmatch(words[0])
    name = f"SIEMENS:{siemens[1]}" if siemens else words[0]
    return next((word for word, pattern in _KERNELS if re.fullmatch(pattern, name)), "other")


def manufacturer_class(manufacturer: str) -> str:
    """Classify a Manufacturer (capitals) as one of MANUFACTURERS, or ""."""
    if not manufacturer:
        return ""
    return next((word for word, pattern in _MANUFACTURERS if re.search(pattern, manufacturer)), "other")


def syntax_class(syntax: str) -> str:
    """Classify a TransferSyntaxUID as one of SYNTAXES, or ""."""
    return _SYNTAXES.get(syntax, "other") if syntax else ""


def is_lossy(syntax: str, lossy_compression: str) -> bool:
    """Tell whether pixels were compressed with loss.

    They were if LossyImageCompression is "01", or if the transfer syntax always loses.
    """
    return lossy_compression == "01" or syntax in _LOSSY_SYNTAXES
