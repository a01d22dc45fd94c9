"""What became of every input song at every stage, and why.

Reads   the indexes below data/ (catalogue, stems, clips, tokens, latents); nothing else, so it can be asked any time
Writes  a table or JSON lines to standard output; with --datasheet DIR a page about the data set
Launch  songcreator ledger                                  every song, then totals per reason
        songcreator ledger --outcome dropped --stage ingest  what ingest dropped
        songcreator ledger --jsonl                           one line per song, with every stage's facts
        songcreator ledger --datasheet results/datasheet     hours, languages, distributions, what was left out
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from stages.contract.freshness import DEFAULT_FOLDERS, Folders
from stages.contract.ledger import SHARDED, Line, iter_ledger
from stages.contract.shards import OUTCOMES, index_paths
from stages.ledger.table import print_table
from stages.lib.cli import UserError, add_path, stage_parser


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("ledger", __doc__)
    add_path(parser, "--data", "data", "folder of the stages' data folders")
    parser.add_argument("--stage", choices=SHARDED, help="what became of the songs at this stage")
    parser.add_argument("--outcome", choices=OUTCOMES, help="only songs that ended so")
    parser.add_argument("--jsonl", action="store_true", help="JSON lines instead of a table")
    parser.add_argument("--datasheet", type=Path, metavar="DIR", help="write DIR/index.html and DIR/datasheet.json")
    return parser


def folders_below(data: Path) -> Folders:
    """The default places, with another folder for `data`."""
    return {name: data / place.name for name, place in DEFAULT_FOLDERS.items() if name in SHARDED}


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    folders = folders_below(args.data)
    if not index_paths(folders["ingest"]):
        raise UserError(f"{folders['ingest']} holds no catalogue: run `songcreator ingest` first")
    if args.datasheet is not None:
        from stages.ledger.datasheet import write_datasheet

        print(write_datasheet(args.datasheet, folders, args.params))
        return 0
    lines = _chosen(iter_ledger(folders), args.stage, args.outcome)
    if args.jsonl:
        for line in lines:
            sys.stdout.write(json.dumps(line.to_dict(), ensure_ascii=False) + "\n")
    else:
        print_table(lines, args.stage, sys.stdout)
    return 0


def _chosen(lines: Iterator[Line], stage: str | None, outcome: str | None) -> Iterator[Line]:
    """With a stage, songs are judged by what that stage made of them, else by how they ended."""
    for line in lines:
        if stage is not None and stage not in line.entries:
            continue
        entry = line.last[1] if stage is None else line.entries[stage]
        if outcome is None or entry.outcome == outcome:
            yield line


if __name__ == "__main__":
    raise SystemExit(main())
