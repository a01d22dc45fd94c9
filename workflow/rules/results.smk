"""What a listener hears and a reader checks: the eight tasks, the figures, the page."""


rule generate:
    """The eight tasks on test songs."""
    input:
        clips=shard_indexes("data/clips"),
        tokens=shard_indexes("data/tokens"),
        bestrq="models/bestrq/provenance.json",
        codebook="models/codebook/provenance.json",
        vae="models/vae/provenance.json",
        diffusion="models/diffusion/provenance.json",
        dslm="models/dslm/provenance.json",
    output:
        generated=update("results/generated/provenance.json"),
    log:
        "logs/generate.log",
    benchmark:
        "logs/benchmarks/generate.tsv"
    threads: workflow.cores
    params:
        section=config["generate"],
    shell:
        "songcreator generate --test all --clips data/clips --tokens data/tokens --models models"
        " --out results/generated 2> {log}"


rule evaluate:
    """Every figure, on the test split."""
    input:
        catalogue="data/catalogue/provenance.json",
        stems=shard_indexes("data/stems"),
        clips=shard_indexes("data/clips"),
        tokens=shard_indexes("data/tokens"),
        latents=shard_indexes("data/latents"),
        bestrq="models/bestrq/provenance.json",
        codebook="models/codebook/provenance.json",
        vae="models/vae/provenance.json",
        diffusion="models/diffusion/provenance.json",
        dslm="models/dslm/provenance.json",
        generated="results/generated/provenance.json",
    output:
        metrics=update("results/metrics.json"),
        provenance=update("results/metrics.provenance.json"),
    log:
        "logs/evaluate.log",
    benchmark:
        "logs/benchmarks/evaluate.tsv"
    threads: workflow.cores
    params:
        songs=config["ingest"]["songs"],
        section=config["evaluate"],
    shell:
        "songcreator evaluate --songs {params.songs:q} --catalogue data/catalogue --stems data/stems"
        " --clips data/clips --tokens data/tokens --latents data/latents --models models"
        " --generated results/generated --out results/metrics.json 2> {log}"


rule report:
    """The page with the songs and the figures."""
    input:
        catalogue="data/catalogue/provenance.json",
        stems=shard_indexes("data/stems"),
        clips=shard_indexes("data/clips"),
        tokens=shard_indexes("data/tokens"),
        latents=shard_indexes("data/latents"),
        bestrq="models/bestrq/provenance.json",
        codebook="models/codebook/provenance.json",
        vae="models/vae/provenance.json",
        diffusion="models/diffusion/provenance.json",
        dslm="models/dslm/provenance.json",
        generated="results/generated/provenance.json",
        metrics="results/metrics.json",
        provenance="results/metrics.provenance.json",
    output:
        page=update("results/report/provenance.json"),
    log:
        "logs/report.log",
    benchmark:
        "logs/benchmarks/report.tsv"
    params:
        section=config["report"],
    shell:
        "songcreator report --catalogue data/catalogue --stems data/stems --clips data/clips --tokens data/tokens"
        " --latents data/latents --models models --generated results/generated --metrics results/metrics.json"
        " --out results/report 2> {log}"
