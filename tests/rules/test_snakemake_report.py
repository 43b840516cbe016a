"""`snakemake --report`: Snakemake's own page of a run, a file that opens offline, with our captions and categories."""

import base64
import json
import re

from lungsight.config_check import complete_config
from tests.factories.run import REPORT_RULES, made_run, made_workspace
from tests.factories.workspace import ROOT


def test_snakemakes_own_report_holds_our_results_with_their_captions(tmp_path):
    workspace = made_workspace(
        tmp_path,
        {"open": "public", "clinic": "target"},
        pipelines={"frameworks": ["whole"], "backbones": ["resnet50"], "weights": ["scratch"]},
        segmentation={"method": "classical"},
        explain={"overlays": 1},
        report={"bootstrap": 20},
    )
    made_run(workspace.run_folder, complete_config({"results": workspace.results} | workspace.config), patients=24)
    asked = ("--allowed-rules", *REPORT_RULES, "--", "report")
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", *asked)
    assert done.returncode == 0, done.stdout[-6000:]
    made = workspace.snakemake("--report", "report.html", *asked)
    assert made.returncode == 0, made.stdout[-3000:]

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//(?!\$)""", page)
    categories = json.loads(re.search(r"var categories = (\{.*?\});?\n", page)[1])
    assert set(categories) == {"Report", "Tables"}
    shown = {path for parts in categories["Tables"].values() for path in parts}
    tables = {"metrics", "saliency", "verdicts", "audit", "comparisons", "differences", "aggregation", "reliability"}
    assert {f"{workspace.results}/report/{name}.tsv" for name in tables} <= shown
    metrics = (workspace.run_folder / "report/metrics.tsv").read_bytes()
    assert base64.b64encode(metrics).decode() in page
    for name in ("metrics", "verdicts", "page"):
        caption = (ROOT / "workflow/report" / f"{name}.rst").read_text(encoding="utf-8")
        assert " ".join(caption.split()[:5]) in page, name
