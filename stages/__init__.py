"""SongCreator: from a folder of songs with lyrics to a trained, evaluated model that makes songs.

    songs --ingest--> catalogue --separate--> stems --segment--> clips
    clips --bestrq--> encoder --codebook--> codebook --tokenize--> tokens
    clips --vae--> autoencoder --latents--> latents
    tokens, latents --diffusion--> latent diffusion model
    tokens, lyrics  --dslm--> dual-sequence language model
    lyrics, prompts, given tracks --generate--> songs --evaluate--> metrics --report--> page

A folder per stage, run as `songcreator STAGE`; `contract` holds what they promise each other (records, shards,
freshness, tasks), `lib` what they share. Imports point one way: contract <- lib <- stage.
Paper: "SongCreator: Lyrics-based Universal Song Generation", NeurIPS 2024, arXiv 2409.06029v2.
"""

from typing import Any

__all__ = ["SongCreator"]


def __getattr__(name: str) -> Any:
    """`from stages import SongCreator`, without loading torch for those who import a stage."""
    if name == "SongCreator":
        from stages.generate.api import SongCreator

        return SongCreator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
