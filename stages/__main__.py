"""`songcreator VERB ...`: a table from verb to command. A command's module is imported only when it is called."""

import importlib
import sys

from stages.lib.cli import quiet_environment, run_main

# verb -> (module with a main(argv), what it does)
VERBS: dict[str, tuple[str, str]] = {
    "demo_songs": ("stages.demo_songs.__main__", "render songs to try the pipeline on"),
    "ingest": ("stages.ingest.__main__", "songs and lyrics -> catalogue"),
    "separate": ("stages.separate.__main__", "catalogue -> vocals and accompaniment (Demucs)"),
    "segment": ("stages.segment.__main__", "stems and lyrics -> clips of whole sentences"),
    "bestrq": ("stages.bestrq.__main__", "train the BEST-RQ encoder on clips"),
    "codebook": ("stages.tokenize.codebook", "train the VQ codebook on the encoder's output"),
    "tokenize": ("stages.tokenize.__main__", "clips -> semantic tokens"),
    "vae": ("stages.vae.__main__", "train the VAE on clips"),
    "latents": ("stages.vae.latents", "clips -> VAE latents"),
    "diffusion": ("stages.diffusion.__main__", "train the latent diffusion model (tokens -> latents)"),
    "dslm": ("stages.dslm.__main__", "train the dual-sequence language model"),
    "generate": ("stages.generate.__main__", "make songs: the eight tasks"),
    "evaluate": ("stages.evaluate.__main__", "measure: results/metrics.json"),
    "report": ("stages.report.__main__", "the page with the songs and the figures"),
    "ledger": ("stages.ledger.__main__", "what became of every song, and why; a datasheet"),
    "scale": ("stages.scale", "lay a scale of workflow/scales over params.yaml"),
    "train_separator": ("stages.separate.train", "train the small Demucs in weights/"),
    "train_vad": ("stages.segment.train_vad", "train the small PyanNet in weights/"),
    "train_aligner": ("stages.segment.train_aligner", "train the CTC phoneme aligner in weights/"),
}


def usage() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {what}" for verb, (_, what) in VERBS.items()]
    return "\n".join(["usage: songcreator VERB [options]   (songcreator VERB --help)", "", *lines])


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        print(usage())
        return 0
    verb, *rest = argv
    if verb not in VERBS:
        print(f"songcreator: no verb {verb!r}\n\n{usage()}", file=sys.stderr)
        return 2
    quiet_environment()
    return run_main(importlib.import_module(VERBS[verb][0]).main, rest)


if __name__ == "__main__":
    sys.exit(main())
