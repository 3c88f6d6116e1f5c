# A workflow of seconds for the fault tests: a local rule, `number` jobs in Slurm, one more after
# them. Every job of `work` writes a line when it starts and one when it ends, so that a test sees
# what really ran, and where.
#
#   snakemake --snakefile faults.smk --executor selfsame-slurm --jobs 9 --config seconds=5 number=2
SECONDS = config.get("seconds", 3)
FIRST = config.get("first", 0)
FACTS = "{wildcards.i} {resources.attempt} $SLURM_JOB_ID $SLURMD_NODENAME ${{CUDA_VISIBLE_DEVICES:-none}}"


localrules:
    all,
    first,


rule all:
    input:
        "after.txt",


rule first:
    output:
        "first.txt",
    params:
        seconds=FIRST,
    shell:
        "sleep {params.seconds}; echo > {output}"


rule work:
    input:
        "first.txt",
    output:
        "work_{i}.txt",
    retries: 1
    resources:
        attempt=lambda wildcards, attempt: attempt,
        seconds=SECONDS,
        gpu=config.get("gpu", 0),
    shell:
        f"echo start {FACTS} >> trace.txt; sleep {{resources.seconds}}; "
        f"echo {{wildcards.i}} > {{output}}; echo end {FACTS} >> trace.txt"


rule after:
    input:
        expand("work_{i}.txt", i=range(config.get("number", 1))),
    output:
        "after.txt",
    shell:
        "cat {input} > {output}"
