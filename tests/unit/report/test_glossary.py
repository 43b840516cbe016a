"""Words of the glossary are explained where they stand."""

from lungsight.report.glossary import GLOSSARY, explained


def test_a_word_is_explained_once_in_a_text() -> None:
    marked = explained("AUC <b> of the AUC; enrichment")
    assert marked.count("<abbr") == 2 and marked.count("&lt;b&gt;") == 1
    assert marked.startswith('<abbr title="Area under the ROC curve')
    assert marked.endswith("</abbr>") and " of the AUC; " in marked


def test_parts_of_words_stay() -> None:
    assert explained("AUCs and pipelined") == "AUCs and pipelined"


def test_every_word_has_a_meaning() -> None:
    assert all(term.meaning.endswith(".") for term in GLOSSARY)
    assert len({term.name for term in GLOSSARY}) == len(GLOSSARY)
