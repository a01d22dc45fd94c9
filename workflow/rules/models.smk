"""The models that make sound and song: VAE, latent diffusion, dual-sequence language model."""


rule vae:
    """The autoencoder of audio."""
    input:
        clips=shard_indexes("data/clips"),
    output:
        model=update("models/vae/provenance.json"),
    log:
        "logs/vae.log",
    benchmark:
        "logs/benchmarks/vae.tsv"
    threads: workflow.cores
    params:
        section=config["vae"],
    shell:
        "songcreator vae --clips data/clips --out models/vae 2> {log}"


rule latents:
    """Clips as VAE latents."""
    input:
        clips="data/clips/shard-{shard}.json",
        vae="models/vae/provenance.json",
    output:
        latents=update("data/latents/shard-{shard}.json"),
    log:
        "logs/latents/{shard}.log",
    benchmark:
        "logs/benchmarks/latents/{shard}.tsv"
    params:
        section=config["latents"],
    shell:
        "songcreator latents --clips data/clips --vae models/vae --out data/latents"
        " --shard {wildcards.shard} 2> {log}"


rule diffusion:
    """The latent diffusion model, from tokens to latents."""
    input:
        tokens=shard_indexes("data/tokens"),
        latents=shard_indexes("data/latents"),
        codebook="models/codebook/provenance.json",
    output:
        model=update("models/diffusion/provenance.json"),
    log:
        "logs/diffusion.log",
    benchmark:
        "logs/benchmarks/diffusion.tsv"
    threads: workflow.cores
    params:
        section=config["diffusion"],
    shell:
        "songcreator diffusion --tokens data/tokens --latents data/latents --codebook models/codebook"
        " --out models/diffusion 2> {log}"


rule dslm:
    """The dual-sequence language model, from lyrics to tokens."""
    input:
        tokens=shard_indexes("data/tokens"),
        codebook="models/codebook/provenance.json",
    output:
        model=update("models/dslm/provenance.json"),
    log:
        "logs/dslm.log",
    benchmark:
        "logs/benchmarks/dslm.tsv"
    threads: workflow.cores
    params:
        section=config["dslm"],
    shell:
        "songcreator dslm --tokens data/tokens --codebook models/codebook --out models/dslm 2> {log}"
