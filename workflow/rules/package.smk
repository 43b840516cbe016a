"""Package: a finished run → a model card of every model, and one file that others can check."""

from importlib.metadata import version as version_of_distribution

from lungsight.package.contents import card_files
from lungsight.package.public_config import public_config
from lungsight.package.templates import CARD_TEMPLATE, README_TEMPLATE, digest_of_template
from lungsight.run_description import page_inputs

# One for each model; where nothing was trained, none.
CARDS = [f"{RESULTS}/{card}" for card in card_files(RUN)]


include: "inputs/package.smk"


if CARDS:

    rule model_cards:
        input:
            results=expand(f"{RESULTS}/{{path}}", path=page_inputs(RUN)),
            models=of_models(f"{MODEL}/model.keras"),
        output:
            CARDS,
        log:
            f"{RESULTS}/logs/model_cards.log",
        benchmark:
            f"{RESULTS}/benchmarks/model_cards.tsv"
        conda:
            "../../envs/report.yaml"
        params:
            program=program("model_cards"),
            code=code("model_cards"),
            template=digest_of_template(CARD_TEMPLATE),
            licence=as_json(config["package"]["licence"]),
            thesis=repository_file(THESIS),
            thesis_results=digest_of_files([REPOSITORY / THESIS]),
            run=as_json(RUN),
            results=folder(RESULTS),
        shell:
            "python {params.program:q} --run {params.run:q} --licence {params.licence:q} --thesis {params.thesis:q}"
            " --results {params.results:q} > {log} 2>&1"


if not REQUEST:

    rule write_package:
        input:
            finished_run,
        output:
            f"{RESULTS}.crate.zip",
        log:
            f"{RESULTS}/logs/write_package.log",
        benchmark:
            f"{RESULTS}/benchmarks/write_package.tsv"
        conda:
            "../../envs/report.yaml"
        params:
            program=program("write_package"),
            code=code("write_package"),
            template=digest_of_template(README_TEMPLATE),
            results=folder(RESULTS),
            run=as_json(RUN),
            config=as_json(public_config(config)),
            repository=unrecorded(os.path.relpath(REPOSITORY)),
            metadata=unrecorded(".snakemake/metadata"),
            snakemake=unrecorded(version_of_distribution("snakemake")),
        shell:
            "python {params.program:q} --results {params.results:q} --run {params.run:q} --config {params.config:q}"
            " --repository {params.repository:q} --metadata {params.metadata:q} --snakemake {params.snakemake}"
            " --package {output:q} > {log} 2>&1"

    rule package:
        input:
            rules.write_package.output,
