"""The graph with its machines: `snakemake --cores all` here, `snakemake --cores all --profile slurm` on a cluster.

Same stages, same commands as dvc.yaml. Files stand for folders: a shard is its index, a model its provenance, each
written last. What is stale is decided by digests before the graph is built (workflow/rules/common.smk).
"""


configfile: "params.yaml"


# For those who run with --software-deployment-method apptainer; `make setup` serves everybody else.
container: "docker://python:3.11"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/tokens.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/results.smk"


# Everything, up to the page.
rule all:
    default_target: True
    input:
        "results/report/provenance.json",
    localrule: True
