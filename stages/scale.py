"""`songcreator scale NAME`: lay workflow/scales/NAME.yaml over params.yaml, comments kept.

Reads an overlay (only what differs from the tiny scale), writes params.yaml. The same code at every scale; which
numbers hold is always what params.yaml says.
"""

import io
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.contract.files import write_atomic
from stages.lib.cli import stage_parser

SCALES = Path("workflow/scales")


def overlay(values: MutableMapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Lay `changes` over `values` in place, mapping by mapping."""
    for key, change in changes.items():
        if isinstance(change, Mapping) and isinstance(values.get(key), MutableMapping):
            overlay(values[key], change)
        else:
            values[key] = change


def main(argv: list[str] | None = None) -> int:
    names = sorted(path.stem for path in SCALES.glob("*.yaml"))
    parser = stage_parser("scale", __doc__)
    parser.add_argument("name", choices=names)
    args = parser.parse_args(argv)
    yaml = YAML()
    yaml.width = 120
    params = yaml.load(args.params.read_text(encoding="utf-8"))
    overlay(params, yaml.load((SCALES / f"{args.name}.yaml").read_text(encoding="utf-8")))
    text = io.StringIO()
    yaml.dump(params, text)
    write_atomic(args.params, text.getvalue())
    print(f"{args.params} now holds the {args.name} scale; `git checkout {args.params}` brings the tiny one back")
    return 0
