"""One pydantic model per section of params.yaml: an unknown key or a bad value dies with the field's name."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML, YAMLError

from stages.lib.cli import UserError


class StageConfig(BaseModel):
    """A section of params.yaml. Frozen; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


Config = TypeVar("Config", bound=BaseModel)


def load_params(path: Path) -> dict[str, Any]:
    """All sections, plain. Raises UserError where the file is missing or no YAML mapping."""
    try:
        values = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; run in the project folder, or name it by --params") from error
    except YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: must map stages to their parameters")
    return values


def parse_section(values: dict[str, Any], section: str, model: type[Config], source: str = "params.yaml") -> Config:
    """Raises UserError naming every bad field as `params.yaml: section.field: why`."""
    try:
        return model.model_validate(values.get(section) or {})
    except ValidationError as error:
        lines = [
            f"{source}: {'.'.join([section, *map(str, problem['loc'])])}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise UserError("\n".join(lines)) from error


def load_config(path: Path, section: str, model: type[Config]) -> Config:
    return parse_section(load_params(path), section, model, str(path))
