"""The table of models."""

from lungsight.report.results import RunResults
from lungsight.report.sections.provenance import model_table
from tests.factories.results import changed


def test_the_models_table_says_what_stopped_a_training_and_which_epoch_was_kept(results: RunResults) -> None:
    histories = {
        model: history.assign(kept=[0, 0, 1, 0, 0, 0], stopped=[""] * 5 + ["validation loss no longer fell"])
        for model, history in results.histories.items()
    }
    table = model_table(changed(results, histories=histories))
    titles = [title for title, _ in table.headings]
    assert {row[titles.index("Epochs")].note for row in table.rows} == {"validation loss no longer fell, epoch 3 kept"}
