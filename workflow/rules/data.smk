"""From songs to clips. One job per shard: `--shard`; a song's work is skipped inside where nothing changed."""


rule demo_songs:
    """Songs to try the pipeline on, with true stems."""
    input:
        "params.yaml",  # newer than what is stale, and than nothing else
    output:
        songs=update("data/demo_songs/.provenance.json"),
    log:
        "logs/demo_songs.log",
    benchmark:
        "logs/benchmarks/demo_songs.tsv"
    threads: workflow.cores
    params:
        section=config["demo_songs"],
    shell:
        "songcreator demo_songs --out data/demo_songs 2> {log}"


checkpoint ingest:
    """Songs and lyrics, checked and catalogued."""
    input:
        songs=lambda _: (
            "data/demo_songs/.provenance.json"
            if config["ingest"]["songs"] == "data/demo_songs"
            else config["ingest"]["songs"]
        ),
    output:
        catalogue=update("data/catalogue/provenance.json"),
    log:
        "logs/ingest.log",
    benchmark:
        "logs/benchmarks/ingest.tsv"
    threads: workflow.cores
    params:
        songs=config["ingest"]["songs"],
        section=config["ingest"],
    shell:
        "songcreator ingest --songs {params.songs:q} --out data/catalogue 2> {log}"


rule separate:
    """Vocals and accompaniment by Demucs."""
    input:
        catalogue=catalogue_index,
    output:
        stems=update("data/stems/shard-{shard}.json"),
    log:
        "logs/separate/{shard}.log",
    benchmark:
        "logs/benchmarks/separate/{shard}.tsv"
    params:
        songs=config["ingest"]["songs"],
        section=config["separate"],
    shell:
        "songcreator separate --songs {params.songs:q} --catalogue data/catalogue --out data/stems"
        " --shard {wildcards.shard} 2> {log}"


rule segment:
    """Clips of whole sentences, at most 30 s."""
    input:
        catalogue=catalogue_index,
        stems="data/stems/shard-{shard}.json",
    output:
        clips=update("data/clips/shard-{shard}.json"),
    log:
        "logs/segment/{shard}.log",
    benchmark:
        "logs/benchmarks/segment/{shard}.tsv"
    params:
        section=config["segment"],
    shell:
        "songcreator segment --catalogue data/catalogue --stems data/stems --out data/clips"
        " --shard {wildcards.shard} 2> {log}"
