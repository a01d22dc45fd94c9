"""The command line's leaves: errors a user can act on, and the arguments every stage shares."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from stages.contract.freshness import DEFAULT_FOLDERS
from stages.contract.graph import MODELS, STAGES
from stages.contract.shards import ShardError

# stage -> flag: what a command that looks at everything reads, wherever it lies
_FLAGS = {
    "ingest": "catalogue", "separate": "stems", "segment": "clips", "tokenize": "tokens", "latents": "latents",
    "generate": "generated",
}  # fmt: skip


class UserError(Exception):
    """Something the user can mend. The message names the file, the field and the remedy; no traceback is shown."""


def stage_parser(verb: str, doc: str | None) -> argparse.ArgumentParser:
    """A parser with --params; the stage's module docstring is its description."""
    parser = argparse.ArgumentParser(
        prog=f"songcreator {verb}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="parameters (default: %(default)s)")
    return parser


def add_path(parser: argparse.ArgumentParser, flag: str, default: Path | str, what: str) -> None:
    parser.add_argument(flag, type=Path, default=Path(default), help=f"{what} (default: %(default)s)")


def add_shard(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shard", type=int, default=None, help="only this shard (default: all that are stale)")


def add_folders(parser: argparse.ArgumentParser) -> None:
    """A flag for every folder of the pipeline, and --models for the folder of the five."""
    for stage, flag in _FLAGS.items():
        add_path(parser, f"--{flag}", STAGES[stage].out, f"what {stage} wrote")
    add_path(parser, "--models", "models", "folder of the five models")


def folders_of(args: argparse.Namespace, **others: Path) -> dict[str, Path]:
    """Stage name -> folder, by what `add_folders` asked."""
    asked = {stage: getattr(args, flag) for stage, flag in _FLAGS.items()}
    return {**DEFAULT_FOLDERS, **asked, **{name: args.models / name for name in MODELS}, **others}


def quiet_environment() -> None:
    """No telemetry, and no chatter of libraries. Before any of them is imported."""
    os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "false")
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")


def run_main(main: Callable[[list[str] | None], int], argv: list[str] | None = None) -> int:
    """Run a command; turn what a user can mend, and a full disk, into one clear line and exit code 2."""
    try:
        return main(argv)
    except (UserError, ShardError, FileNotFoundError) as error:
        message = str(error)
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130
    except OSError as error:
        message = error.strerror or str(error)
        message = f"{error.filename}: {message}" if error.filename else message
    print(f"songcreator: error: {message}", file=sys.stderr)
    return 2
