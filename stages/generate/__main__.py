"""Make songs: the eight tasks, for your own words and files, or on the test split.

For yourself:
    songcreator generate lyrics_to_song --lyrics words.txt --vocal-prompt voice.wav --seconds 20 --out song.flac
    songcreator generate vocals_to_song --song pop.mp3 --out remade.flac      (separated first)
    songcreator generate song_editing --song pop.mp3 --lyrics new.txt --edit-from 4 --edit-to 8 --out edited.flac
reads    models/{bestrq,codebook,dslm,diffusion,vae}, your files
writes   --out, and the task's other streams beside it

For the graph (one process for all tasks: loading the models costs more than a task at the tiny scale):
    songcreator generate --test all --clips data/clips --tokens data/tokens --models models --out results/generated
reads    data/clips, data/tokens (test split), models, params.yaml: generate
writes   results/generated/TASK/ITEM.*.flac, ITEM.json, and provenance.json last

Paper: Table 2, App. B, section 4.1 (sampling).
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from stages.contract import provenance
from stages.contract.digests import digest
from stages.contract.freshness import DEFAULT_FOLDERS, inputs_of, key_of, section
from stages.contract.graph import MODELS, STAGES
from stages.contract.tasks import TASKS, RequestError
from stages.generate.config import GenerateConfig
from stages.lib.cli import UserError, add_path, stage_parser
from stages.lib.config import load_config, load_params


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("generate", __doc__)
    parser.add_argument("task", nargs="?", choices=list(TASKS), metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--test", choices=["all", *TASKS], metavar="TASK|all", help="the test split's items")
    add_path(parser, "--models", "models", "folder of the five models")
    parser.add_argument("--out", type=Path, default=None, help="audio file, or with --test a folder")
    graph = parser.add_argument_group("with --test")
    for name, what in (("clips", "clip"), ("tokens", "token")):
        graph.add_argument(
            f"--{name}", type=Path, default=Path(f"data/{name}"), help=f"folder of {what} shards (default: %(default)s)"
        )
    own = parser.add_argument_group("with TASK")
    own.add_argument("--lyrics", help="a text file, a sentence per line, or the words themselves; to edit: all of them")
    own.add_argument("--language", default="en", help="of the lyrics: en, zh, ... (default: %(default)s)")
    own.add_argument("--song", type=Path, help="a mixed song: its tracks are separated and handed in")
    for flag, what in (
        ("--vocals", "a vocal track"),
        ("--accompaniment", "an accompaniment track"),
        ("--vocal-prompt", "a few seconds of the voice to sing with"),
        ("--accompaniment-prompt", "a few seconds of the music to go on from"),
    ):
        own.add_argument(flag, type=Path, help=f"{what}, any format and rate")
    own.add_argument("--edit-from", dest="edit_from_s", type=float, help="start of the span to rewrite, seconds")
    own.add_argument("--edit-to", dest="edit_to_s", type=float, help="its end, seconds")
    own.add_argument("--seconds", type=float, help="length of the result, or of the rewritten span")
    own.add_argument("--seed", type=int, help="another seed, another song (default: generate.seed)")
    return parser


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    config = load_config(args.params, "generate", GenerateConfig)
    if (args.task is None) == (args.test is None):
        raise UserError("name a TASK to make a song of your own, or --test all (songcreator generate --help)")
    return run_tests(args, config) if args.test else make_own(args, config)


def run_tests(args: argparse.Namespace, config: GenerateConfig) -> int:
    """The graph's use. Does nothing where provenance.json names the same key."""
    out = args.out or Path("results/generated")
    stage, params = STAGES["generate"], load_params(args.params)
    folders = {**DEFAULT_FOLDERS, "segment": args.clips, "tokenize": args.tokens, "generate": out}
    folders |= {name: args.models / name for name in MODELS}
    key = key_of(stage, params, folders)
    if args.test == "all" and provenance.is_fresh(out, key):
        os.utime(out / provenance.FILE)  # for Snakemake, which goes by mtimes
        print(f"generate: {out} is up to date", file=sys.stderr)
        return 0
    made_from = inputs_of(stage, folders)
    recipe = digest([stage.version, section(params, "generate"), {name: made_from[name] for name in MODELS}])

    from stages.generate.engine import Engine
    from stages.generate.run import generate_tests, remove_other_tasks

    tasks = list(TASKS) if args.test == "all" else [args.test]
    split = generate_tests(tasks, args.clips, args.tokens, out, config, recipe, lambda: Engine.from_folder(args.models))
    if args.test == "all":
        remove_other_tasks(out)
        provenance.write(out, "generate", key, split=split)
    return 0


def make_own(args: argparse.Namespace, config: GenerateConfig) -> int:
    """A user's song. Everything about the request is checked before a model is loaded."""
    from stages.generate.request import check_format
    from stages.generate.user import to_request, with_song

    task, out = TASKS[args.task], args.out or Path(f"{args.task}.flac")
    names = ("lyrics", "vocals", "accompaniment", "vocal_prompt", "accompaniment_prompt", "edit_from_s", "edit_to_s",
             "seconds")  # fmt: skip
    values: dict[str, Any] = {name: getattr(args, name) for name in names}
    try:
        check_format(out)
        separate = section(load_params(args.params), "separate")
        values = with_song(task, values, args.song, separate.get("model", "htdemucs"), separate.get("overlap", 0.25))
        request = to_request(task, values, args.language, config.seed if args.seed is None else args.seed)
    except RequestError as error:
        raise UserError(str(error)) from error

    from stages.generate.engine import Engine
    from stages.generate.make import make_songs

    song = make_songs(Engine.from_folder(args.models), [request], config)[0]
    for path in song.save(out):
        print(path)
    print(f"{song.duration_s:.1f} s made in {song.wall_s:.1f} s (seed {song.seed})", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
