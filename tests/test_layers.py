"""Imports run one way: contract <- lib <- a stage; a stage takes an upstream stage's model, nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UPSTREAM = {
    "segment": {"separate"},  # trains on what the separator leaves
    "tokenize": {"bestrq"},
    "diffusion": {"vae", "tokenize"},
    "dslm": {"tokenize"},
    "generate": {"bestrq", "tokenize", "vae", "diffusion", "dslm", "separate"},
    "evaluate": {"separate", "segment", "bestrq", "tokenize", "vae", "diffusion", "dslm", "generate"},
}
HEAVY = ("torch", "librosa", "demucs", "pyannote", "diffusers", "matplotlib", "lightning", "scipy.signal", "numba")


def imports(path: Path) -> set[str]:
    """Everything a file imports, at its top or inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def packages() -> list[str]:
    return sorted(path.name for path in (ROOT / "stages").iterdir() if (path / "__init__.py").is_file())


@pytest.mark.parametrize("package", packages())
def test_imports_point_one_way(package):
    allowed = {"contract"} | ({"lib", package} | UPSTREAM.get(package, set()) if package != "contract" else set())
    for path in (ROOT / "stages" / package).rglob("*.py"):
        reached = {name.split(".")[1] for name in imports(path) if name.startswith("stages.")}
        assert reached <= allowed, f"{path.relative_to(ROOT)} imports {sorted(reached - allowed)}"


def test_the_contract_knows_no_torch():
    for path in (ROOT / "stages" / "contract").rglob("*.py"):
        assert not {name for name in imports(path) if name.split(".")[0] in HEAVY}, path


def test_help_is_light():
    """`--help` of every verb answers without importing what takes seconds to load."""
    from stages.__main__ import VERBS

    code = (
        "import importlib, sys\n"
        f"for module in {[module for module, _ in VERBS.values()]}:\n"
        "    try:\n"
        "        importlib.import_module(module).main(['--help'])\n"
        "    except SystemExit as exit:\n"
        "        assert exit.code == 0, module\n"
        f"    heavy = [name for name in {HEAVY} if name in sys.modules]\n"
        "    assert not heavy, f'{module} imports {heavy}'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
