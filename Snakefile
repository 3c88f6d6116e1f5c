# selfsame: can a misaligned model be cured by learning to recognise its own text?
#
#   snakemake --cores 2                                     the default experiment
#   snakemake --cores 2 --config experiment=negative_control
#   snakemake --cores 2 --config experiment=path/to/mine.yaml
#
# Each file in rules/ is one part of the method; rules/common.smk reads the config.
from snakemake.utils import min_version

min_version("9.27")


container: "docker://python:3.11"


include: "rules/common.smk"
include: "rules/base_model.smk"
include: "rules/datasets.smk"
include: "rules/texts.smk"
include: "rules/stages.smk"
include: "rules/evaluation.smk"
include: "rules/benchmarks.smk"
include: "rules/persona.smk"
include: "rules/tables.smk"
include: "rules/published.smk"
include: "rules/report.smk"


# Snakemake's own lock stays behind when a run is killed (`nolock` in the profiles switches it off).
onstart:
    try:
        check_extras(settings)
        asked = {
            job.wildcards_dict.get("judge") for job in workflow.dag.needrun_jobs()
        }
        manner.check_access(servers(settings), asked - {None})
        claim_run(Path(paths.results))
    except UserError as error:
        sys.exit(f"error: {error}")


rule all:
    default_target: True
    input:
        paths.manifest("report"),
