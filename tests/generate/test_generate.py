"""All eight tasks through real, untrained models: outputs, lengths, untouched context, reruns."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_pipeline import save_models, write_songs

from stages.contract.records import STREAMS
from stages.contract.tasks import TASKS
from stages.contract.tokens import SAMPLE_RATE_HZ, SAMPLES_PER_TOKEN
from stages.generate import __main__ as command
from stages.generate.user import read_lyrics
from stages.lib.audio import decode_flac
from stages.lib.cli import UserError

SONGS = {"aaaa": [5.0, 4.0], "bbbb": [4.5], "cccc": [4.0]}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with models, clips, tokens, params.yaml, and the test items of all tasks made in it."""
    root = tmp_path_factory.mktemp("project")
    save_models(root / "models")
    write_songs(root, SONGS)
    (root / "params.yaml").write_text("generate: {items_per_task: 2, max_s: 4.0, prompt_s: 1.5, n_steps: 2}\n")
    run(root)
    return root


def arguments(root: Path) -> list[str]:
    return ["--params", str(root / "params.yaml"), "--models", str(root / "models")]


def run(root: Path, task: str = "all") -> int:
    places = ["--clips", str(root / "clips"), "--tokens", str(root / "tokens"), "--out", str(root / "generated")]
    return command.main(["--test", task, *arguments(root), *places])


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def audio(folder: Path, name: str) -> np.ndarray:
    return decode_flac((folder / name).read_bytes())


@pytest.mark.parametrize("name", list(TASKS))
def test_every_task_writes_its_outputs_and_what_they_were_made_from(project, name):
    task, folder = TASKS[name], project / "generated" / name
    items = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    assert len(items) == 2 and len({item["song_id"] for item in items}) == 2, "songs take turns"
    for item in items:
        assert set(item["files"]["outputs"]) == set(item["files"]["truth"]) == set(task.outputs)
        assert set(item["files"]["given"]) == set(task.given)
        assert set(item["files"]["prompts"]) <= set(task.prompts)
        assert bool(item["lyrics"]) == (task.lyrics != "unused")
        assert item["rtf"] > 0 and item["split"] == "test"
        truth = audio(folder, item["files"]["truth"][task.outputs[0]])
        for file in item["files"]["outputs"].values():
            x_T = audio(folder, file)
            assert len(x_T) % SAMPLES_PER_TOKEN == 0
            assert len(x_T) == len(truth), "test items are as long as the truth beside them"


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.edit])
def test_an_edit_keeps_everything_outside_its_span(project, name):
    folder = project / "generated" / name
    for path in folder.glob("*.json"):
        item = json.loads(path.read_text())
        start, end = (round(s * SAMPLE_RATE_HZ) for s in item["new_s"])
        for stream, file in item["files"]["outputs"].items():
            made, truth = audio(folder, file), audio(folder, item["files"]["truth"][stream])
            np.testing.assert_array_equal(made[:start], truth[:start])
            np.testing.assert_array_equal(made[end:], truth[end:])
            assert not np.array_equal(made[start:end], truth[start:end])


def test_a_continuation_begins_with_the_very_prompt(project):
    folder = project / "generated" / "music_continuation"
    item = json.loads(next(folder.glob("*.json")).read_text())
    made, prompt = (audio(folder, item["files"][kind]["accompaniment"]) for kind in ("outputs", "prompts"))
    n_kept = len(prompt) - round(0.02 * SAMPLE_RATE_HZ)
    np.testing.assert_array_equal(made[:n_kept], prompt[:n_kept])
    assert len(made) > len(prompt)


def test_prompts_come_from_elsewhere_in_the_song(project):
    folder = project / "generated" / "lyrics_to_song"
    item = json.loads(next(folder.glob("aaaa-*.json")).read_text())
    prompt, truth = (audio(folder, item["files"][kind]["vocals"]) for kind in ("prompts", "truth"))
    assert not any(np.array_equal(prompt, truth[i : i + len(prompt)]) for i in range(0, len(truth) - len(prompt), 882))


def test_a_rerun_does_nothing_and_lost_items_come_back_byte_for_byte(project, capsys):
    folder = project / "generated"
    before = snapshot(folder)
    run(project)
    assert "up to date" in capsys.readouterr().err
    assert snapshot(folder) == before
    (folder / "provenance.json").unlink()
    next((folder / "vocals_to_song").glob("bbbb-*.json")).unlink()
    (folder / "vocals_to_song" / "stray-000.song.flac").write_bytes(b"of another choice of clips")
    run(project)
    after = snapshot(folder)
    assert set(after) == set(before)
    timed = {name for name in before if name.startswith("vocals_to_song/") and name.endswith(".json")}
    assert {name for name in before if before[name] != after[name]} <= timed, "their group was made again"
    for name in timed:
        old, new = json.loads(before[name]), json.loads(after[name])
        assert {k for k in old if old[k] != new[k]} <= {"wall_s", "rtf"}


def test_own_words_and_files(project, tmp_path, capsys):
    voice = tmp_path / "voice.wav"
    seconds = np.arange(int(1.2 * 22_050)) / 22_050
    soundfile.write(voice, np.stack([0.1 * np.sin(2 * np.pi * 220 * seconds)] * 2, 1), 22_050)
    words = tmp_path / "words.txt"
    words.write_text("the river runs below\n\nand every light is low\n", encoding="utf-8")
    out = tmp_path / "made.wav"
    given = ["--lyrics", str(words), "--vocal-prompt", str(voice), "--seconds", "2", "--seed", "3", "--out", str(out)]
    assert command.main(["lyrics_to_song", *arguments(project), *given]) == 0
    for path in (out, tmp_path / "made.vocals.wav", tmp_path / "made.accompaniment.wav"):
        info = soundfile.info(path)
        assert (info.frames, info.samplerate, info.channels) == (2 * SAMPLE_RATE_HZ, SAMPLE_RATE_HZ, 1)
    first = out.read_bytes()
    command.main(["lyrics_to_song", *arguments(project), *given])
    assert out.read_bytes() == first, "the same seed gives the same song"


def test_a_given_track_fixes_the_length_to_the_sample(project, tmp_path):
    voice = tmp_path / "voice.flac"
    n_samples = 2 * SAMPLE_RATE_HZ + 500
    soundfile.write(voice, 0.1 * np.sin(np.arange(n_samples) / 30), SAMPLE_RATE_HZ)
    out = tmp_path / "out.flac"
    command.main(["vocals_to_song", *arguments(project), "--vocals", str(voice), "--out", str(out)])
    assert soundfile.info(out).frames == n_samples // SAMPLES_PER_TOKEN * SAMPLES_PER_TOKEN


def test_a_verse_in_one_line_is_words():
    verse = "la " * 120  # too long to be a file's name
    assert read_lyrics(verse) == (verse.strip(),)


@pytest.mark.parametrize(
    "given, message",
    [
        (["lyrics_to_song"], "needs --lyrics"),
        (["lyrics_to_song", "--lyrics", "a", "--vocals", "x.wav"], "cannot use --vocals"),
        (["vocals_to_song", "--vocals", "nowhere.wav"], "--vocals nowhere.wav: no such file"),
        (["lyrics_to_song", "--lyrics", "wrods.txt"], "--lyrics wrods.txt: no such file"),
        (["lyrics_to_song", "--lyrics", "song.lrc"], "--lyrics song.lrc: its times and tags would be sung"),
        (["lyrics_to_song", "--lyrics", "a", "--seconds", "nan"], "--seconds must lie in 0..600"),
        (["lyrics_to_song", "--lyrics", "a", "--out", "song.xyz"], "format must be one of"),
        (["lyrics_to_vocals", "--lyrics", "a", "--song", "x.wav"], "cannot use --song"),
        ([], "name a TASK"),
    ],
)
def test_clear_errors_before_any_model_is_loaded(project, given, message):
    with pytest.raises(UserError, match=message):
        command.main([*given, "--params", str(project / "params.yaml"), "--models", "no/such/folder"])


def test_missing_models_are_named(project):
    with pytest.raises(FileNotFoundError, match="run `songcreator bestrq` first"):
        command.main(["lyrics_to_song", "--lyrics", "a", "--params", str(project / "params.yaml"), "--models", "none"])


def test_the_python_api_has_a_documented_method_per_task(project):
    from stages.generate.api import SongCreator
    from stages.generate.config import GenerateConfig
    from stages.generate.inputs import RequestError, inputs_of

    for name, task in TASKS.items():
        method = getattr(SongCreator, name)
        taken = [row for row in inputs_of(task) if row.need != "unused"]
        assert {row.name for row in taken} <= set(inspect.signature(method).parameters)
        assert all(row.what in method.__doc__ for row in taken)
    creator = SongCreator.from_pretrained(project / "models", GenerateConfig(n_steps=2))
    tone = (0.1 * np.sin(np.arange(60_000) / 25), SAMPLE_RATE_HZ)
    made = creator.music_continuation(tone, seconds=2.0, seed=5)
    assert set(made.audio) == {"accompaniment"} and made.duration_s == 2.0
    with pytest.raises(TypeError, match="lyrics"):
        creator.lyrics_to_song()
    with pytest.raises(RequestError, match="before --edit-to"):
        creator.vocals_editing(["a"], tone, 1.0, 0.5)


def test_without_a_test_split_another_one_serves_and_says_so(project, tmp_path, capsys):
    write_songs(tmp_path, {"dddd": [3.0]}, split="train")
    (tmp_path / "params.yaml").write_text((project / "params.yaml").read_text())
    (tmp_path / "models").symlink_to(project / "models")
    run(tmp_path, "lyrics_to_vocals")
    assert "no test song" in capsys.readouterr().err
    item = json.loads((tmp_path / "generated" / "lyrics_to_vocals" / "dddd-000.json").read_text())
    assert item["split"] == "train"
    assert set(STREAMS) >= set(item["files"]["outputs"])
