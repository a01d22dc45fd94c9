"""From clips to tokens: the encoder, its codebook, and every clip through both."""


rule bestrq:
    """The BEST-RQ encoder."""
    input:
        clips=shard_indexes("data/clips"),
    output:
        model=update("models/bestrq/provenance.json"),
    log:
        "logs/bestrq.log",
    benchmark:
        "logs/benchmarks/bestrq.tsv"
    threads: workflow.cores
    params:
        section=config["bestrq"],
    shell:
        "songcreator bestrq --clips data/clips --out models/bestrq 2> {log}"


rule codebook:
    """The learned VQ over the encoder's output."""
    input:
        clips=shard_indexes("data/clips"),
        bestrq="models/bestrq/provenance.json",
    output:
        model=update("models/codebook/provenance.json"),
    log:
        "logs/codebook.log",
    benchmark:
        "logs/benchmarks/codebook.tsv"
    threads: workflow.cores
    params:
        section=config["codebook"],
    shell:
        "songcreator codebook --clips data/clips --bestrq models/bestrq --out models/codebook 2> {log}"


rule tokenize:
    """Clips as semantic tokens."""
    input:
        clips="data/clips/shard-{shard}.json",
        bestrq="models/bestrq/provenance.json",
        codebook="models/codebook/provenance.json",
    output:
        tokens=update("data/tokens/shard-{shard}.json"),
    log:
        "logs/tokenize/{shard}.log",
    benchmark:
        "logs/benchmarks/tokenize/{shard}.tsv"
    params:
        section=config["tokenize"],
    shell:
        "songcreator tokenize --clips data/clips --bestrq models/bestrq --codebook models/codebook --out data/tokens"
        " --shard {wildcards.shard} 2> {log}"
