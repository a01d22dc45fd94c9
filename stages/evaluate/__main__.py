"""Measure everything on the test split.

Reads   songs (their truth, where they are demo songs), data/{catalogue,stems,clips,tokens,latents}, models,
        results/generated, params.yaml: evaluate (and segment.aligner, generate for the sampler's settings)
Writes  results/metrics.json, and metrics.provenance.json beside it last
Launch  songcreator evaluate --songs data/demo_songs --generated results/generated --out results/metrics.json
Paper   4.2 (FAD, MCD, SECS); where its recipe is not given, ours, printed with the figures

A figure is a number or {mean, low, high, n}: mean, 95 % bootstrap interval and number of items. What cannot be
computed is null, and the list `reasons` says why. `truth` in a figure is what the true audio gets by the same measure.
"""

import json
import os
import sys

from stages.contract import provenance
from stages.contract.digests import digest
from stages.contract.files import write_atomic
from stages.contract.freshness import inputs_of, key_of, section
from stages.contract.graph import STAGES
from stages.evaluate.config import EvaluateConfig
from stages.lib.cli import add_folders, add_path, folders_of, stage_parser
from stages.lib.config import load_params, parse_section


def main(argv: list[str] | None = None) -> int:
    parser = stage_parser("evaluate", __doc__)
    add_path(parser, "--songs", "data/demo_songs", "folder that the catalogue's paths begin from")
    add_folders(parser)
    add_path(parser, "--out", "results/metrics.json", "the figures")
    args = parser.parse_args(argv)
    params = load_params(args.params)
    config = parse_section(params, "evaluate", EvaluateConfig, str(args.params))
    folders = folders_of(args, evaluate=args.out)
    stage = STAGES["evaluate"]
    marker = f"{args.out.stem}.provenance.json"
    key = key_of(stage, params, folders)
    if args.out.is_file() and provenance.is_fresh(args.out.parent, key, marker):
        for path in (args.out, args.out.parent / marker):
            os.utime(path)  # for Snakemake, which goes by mtimes
        print(f"evaluate: {args.out} is up to date", file=sys.stderr)
        return 0

    from stages.evaluate.material import Material
    from stages.evaluate.run import evaluate
    from stages.generate.config import GenerateConfig

    material = Material(args.songs, folders, config, params, inputs_of(stage, folders))
    sampling = parse_section(params, "generate", GenerateConfig, str(args.params))
    tree = evaluate(material, args.models, args.generated, sampling)
    tree["settings"] = [{"evaluate": config.model_dump(mode="json"), "generate": section(params, "generate")}]
    write_atomic(args.out, json.dumps(tree, ensure_ascii=False, indent=1) + "\n")
    provenance.write(args.out.parent, "evaluate", key, marker, metrics=digest(tree))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
