import pytest
from pydantic import Field

from stages.lib.cli import UserError, run_main
from stages.lib.config import StageConfig, load_config


class ToyConfig(StageConfig):
    hop: int = Field(1024, gt=0)


def write(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return path


def test_a_section_becomes_a_config(tmp_path):
    assert load_config(write(tmp_path, "toy: {hop: 512}"), "toy", ToyConfig).hop == 512
    assert load_config(write(tmp_path, "other: {}"), "toy", ToyConfig).hop == 1024


@pytest.mark.parametrize("text", ["toy: {hop: -1}", "toy: {hop: many}", "toy: {hopp: 1}"])
def test_a_bad_value_names_file_and_field(tmp_path, text):
    with pytest.raises(UserError, match=r"params\.yaml: toy\.hopp?: "):
        load_config(write(tmp_path, text), "toy", ToyConfig)


@pytest.mark.parametrize("text", ["toy: [", "- a"])
def test_what_is_no_mapping_is_named(tmp_path, text):
    with pytest.raises(UserError, match=r"params\.yaml"):
        load_config(write(tmp_path, text), "toy", ToyConfig)


def test_errors_a_user_can_mend_have_no_traceback(capsys):
    def main(_):
        raise UserError("params.yaml: toy.hop: must be positive")

    assert run_main(main) == 2
    assert capsys.readouterr().err == "songcreator: error: params.yaml: toy.hop: must be positive\n"


def test_what_the_system_refuses_is_named(capsys, tmp_path):
    assert run_main(lambda _: len(tmp_path.read_bytes())) == 2
    assert capsys.readouterr().err == f"songcreator: error: {tmp_path}: Is a directory\n"


def test_help_lists_every_verb(capsys):
    from stages.__main__ import VERBS, main

    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(verb in out for verb in VERBS)
    assert main(["sing"]) == 2
