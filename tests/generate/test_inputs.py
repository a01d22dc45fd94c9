"""What each of the eight tasks takes, against the paper's Table 2 transcribed by hand, and every wrong combination."""

import itertools

import numpy as np
import pytest

from stages.contract.tasks import TASKS, RequestError
from stages.contract.tokens import SAMPLES_PER_TOKEN
from stages.generate.inputs import check, inputs_of
from stages.generate.request import Request, Track

# needed, optional (PAPER Table 2; a span for the editing tasks; a length where nothing fixes it)
TABLE_2 = {
    "lyrics_to_song": ("lyrics", "vocal_prompt accompaniment_prompt seconds"),
    "lyrics_to_vocals": ("lyrics", "vocal_prompt seconds"),
    "accompaniment_to_song": ("lyrics accompaniment", "vocal_prompt"),
    "vocals_to_song": ("vocals", "lyrics accompaniment_prompt"),
    "music_continuation": ("accompaniment_prompt", "seconds"),
    "song_editing": ("lyrics vocals accompaniment edit_from_s edit_to_s", "seconds"),
    "vocals_editing": ("lyrics vocals edit_from_s edit_to_s", "seconds"),
    "vocals_editing_in_song": ("lyrics vocals accompaniment edit_from_s edit_to_s", ""),
}
SOME = {"lyrics": ("la la",), "edit_from_s": 1.0, "edit_to_s": 2.0, "seconds": 3.0}


def value(name: str):
    return SOME.get(name, "a track")


@pytest.mark.parametrize("name", list(TASKS))
def test_the_table_is_table_2(name):
    needed, optional = (set(words.split()) for words in TABLE_2[name])
    rows = inputs_of(TASKS[name])
    assert {row.name for row in rows if row.need == "needed"} == needed
    assert {row.name for row in rows if row.need == "optional"} == optional


@pytest.mark.parametrize("name", list(TASKS))
def test_every_subset_of_inputs_is_judged_by_the_table(name):
    """All 2^8 combinations: accepted exactly when nothing needed is missing and nothing unused is there; the message
    names each offender by its flag."""
    task = TASKS[name]
    rows = inputs_of(task)
    needed, optional = (set(words.split()) for words in TABLE_2[name])
    names = [row.name for row in rows]
    flags = {row.name: row.flag for row in rows}
    for chosen in itertools.chain.from_iterable(itertools.combinations(names, n) for n in range(len(names) + 1)):
        wrong = (needed - set(chosen)) | (set(chosen) - needed - optional)
        values = {key: value(key) if key in chosen else None for key in names}
        if not wrong:
            check(task, values)
            continue
        with pytest.raises(RequestError) as caught:
            check(task, values)
        head = str(caught.value).split("It takes")[0]
        assert all(f" {flags[key]}" in head for key in wrong)


def test_empty_lyrics_are_no_lyrics_and_strangers_are_named():
    with pytest.raises(RequestError, match="needs --lyrics"):
        check(TASKS["lyrics_to_song"], {"lyrics": ()})
    with pytest.raises(RequestError, match="no such input: tempo"):
        check(TASKS["lyrics_to_song"], {"lyrics": ("a",), "tempo": 3})


def track(frames: int) -> Track:
    return Track(np.ones(frames * SAMPLES_PER_TOKEN + 17, np.int16))


def test_tracks_are_cut_to_whole_tokens_and_to_each_other():
    request = Request(
        TASKS["vocals_editing_in_song"], ("a",), given={"vocals": track(150), "accompaniment": track(140)},
        edit_s=(1.0, 2.0),
    )  # fmt: skip
    assert {len(t.x_T) for t in request.given.values()} == {140 * SAMPLES_PER_TOKEN}
    assert request.edit_frames == (50, 100) and request.n_frames == 140
    assert request.new_frames == (50, 100)


def test_an_edited_span_may_change_its_length():
    given = {"vocals": track(150), "accompaniment": track(150)}
    longer = Request(TASKS["song_editing"], ("a",), given=given, edit_s=(1.0, 2.0), seconds=1.5)
    assert longer.n_frames == 175 and longer.new_frames == (50, 125)
    same = Request(TASKS["song_editing"], ("a",), given=given, edit_s=(1.0, 2.0))
    assert same.n_frames == 150 and same.new_frames == (50, 100)


def test_a_continuation_begins_with_its_prompt():
    task = TASKS["music_continuation"]
    request = Request(task, prompts={"accompaniment": track(100)}, seconds=5.0)
    assert request.n_frames == 250 and request.new_frames == (100, None)
    with pytest.raises(RequestError, match="leaves nothing to add"):
        Request(task, prompts={"accompaniment": track(100)}, seconds=1.0)
    prompted = Request(TASKS["lyrics_to_song"], ("a",), prompts={"vocals": track(100)}, seconds=1.0)
    assert prompted.new_frames == (0, None), "elsewhere a prompt is an example and takes no room"


@pytest.mark.parametrize(
    "span, message", [((2.0, 1.0), "before --edit-to"), ((0.0, 9.0), "must lie within"), ((1.0, 1.004), "one token")]
)
def test_bad_spans(span, message):
    with pytest.raises(RequestError, match=message):
        Request(TASKS["vocals_editing"], ("a",), given={"vocals": track(150)}, edit_s=span)


def test_bad_lengths():
    with pytest.raises(RequestError, match="too short"):
        track(10)
    with pytest.raises(RequestError, match=r"must lie in 0\.\.600"):
        Request(TASKS["lyrics_to_song"], ("a",), seconds=0.0)
