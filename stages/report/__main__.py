"""The page with the songs and the figures.

Reads   data/* (indexes, for the ledger), models (curves, sizes), results/generated, results/metrics.json, params.yaml
Writes  results/report: index.html, audio/, images/, and provenance.json last; opens from disk, needs no network
Launch  songcreator report --metrics results/metrics.json --generated results/generated --out results/report
"""

import json
import os
import sys

from stages.contract import provenance
from stages.contract.files import write_atomic
from stages.contract.freshness import key_of
from stages.contract.graph import STAGES
from stages.lib.cli import UserError, add_folders, add_path, folders_of, stage_parser
from stages.lib.config import load_params, parse_section
from stages.report.config import ReportConfig


def main(argv: list[str] | None = None) -> int:
    parser = stage_parser("report", __doc__)
    add_folders(parser)
    add_path(parser, "--metrics", "results/metrics.json", "what evaluate wrote")
    add_path(parser, "--out", "results/report", "the page's folder")
    args = parser.parse_args(argv)
    params = load_params(args.params)
    config = parse_section(params, "report", ReportConfig, str(args.params))
    folders = folders_of(args, evaluate=args.metrics, report=args.out)
    key = key_of(STAGES["report"], params, folders)
    page = args.out / "index.html"
    if page.is_file() and provenance.is_fresh(args.out, key):
        os.utime(args.out / provenance.FILE)  # for Snakemake, which goes by mtimes
        print(f"report: {page} is up to date", file=sys.stderr)
        return 0
    if not args.metrics.is_file():
        raise UserError(f"{args.metrics} is missing: run `songcreator evaluate` first")

    from stages.report.curves import read_curves
    from stages.report.gather import ledger_facts, model_facts, remove_unused, task_sections
    from stages.report.page import embedding_of, figure_groups, render, task_figures

    metrics = json.loads(args.metrics.read_text(encoding="utf-8"))
    sections = task_sections(args.generated, args.out, config)
    remove_unused(args.out, sections)
    models = model_facts(args.models)
    html = render(
        sections=sections,
        figures=task_figures(metrics, [section.name for section in sections]),
        groups=figure_groups(metrics),
        embedding=embedding_of(metrics),
        models=models,
        n_parameters=sum(model.n_parameters for model in models),
        n_made=sum(len(section.items) for section in sections),
        curves={model.name: read_curves(args.models / model.name, config.curves_points) for model in models},
        ledger=ledger_facts(folders, config),
        params=args.params.read_text(encoding="utf-8"),
        split=provenance.read(args.generated).get("split", "test"),
    )
    write_atomic(page, html)
    provenance.write(args.out, "report", key)
    print(f"report: open {page.resolve()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
