"""The task table against Table 2 of the paper, transcribed a second time as the strings it prints."""

import pytest

from stages.contract.tasks import TASKS

PAPER = {  # name: (vocals SA, accompaniment SA, BCA, given, outputs)
    "lyrics_to_song": ("C", "C", "BR", "", "song vocals accompaniment"),
    "lyrics_to_vocals": ("C", "C", "BR", "", "vocals"),
    "accompaniment_to_song": ("C", "NC", "A2V", "accompaniment", "song vocals"),
    "vocals_to_song": ("NC", "C", "V2A", "vocals", "song accompaniment"),
    "music_continuation": ("-", "C", "none", "", "accompaniment"),
    "song_editing": ("C", "C", "BR", "vocals accompaniment", "song vocals accompaniment"),
    "vocals_editing": ("C", "-", "none", "vocals", "vocals"),
    "vocals_editing_in_song": ("C", "NC", "A2V", "vocals accompaniment", "song vocals"),
}
LETTER = {"causal": "C", "full": "NC", None: "-"}


@pytest.mark.parametrize("name", PAPER)
def test_rows_are_the_papers(name):
    task = TASKS[name]
    row = (LETTER[task.attention["vocals"]], LETTER[task.attention["accompaniment"]], task.bca)
    assert (*row, " ".join(task.given), " ".join(task.outputs)) == PAPER[name]


def test_there_are_eight():
    assert set(TASKS) == set(PAPER)


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda t: t.name)
def test_rows_make_sense(task):
    for stream in task.predicted:
        assert task.attention[stream] == "causal", "what is written is written left to right"
    for stream in ("vocals", "accompaniment"):
        if task.attention[stream] == "full":
            assert stream in task.given and stream not in task.predicted
    assert (task.bca == "none") == (len(task.used) == 1), "two streams in use see each other somehow"
    assert task.edit == task.name.split("_in_")[0].endswith("editing")
