import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.contract.records import Clip, RecordError, Sentence, Song, TokenClip

SONG = {"id": "a1", "path": "x/ü.flac", "title": "x", "duration_s": 61.5, "split": "train"}
SONG |= {"sample_rate_hz": 44100, "n_channels": 2}


def test_a_song_survives_json():
    song = Song(**SONG, language="zh", sentences=(Sentence("想用倔强", 1.0, 2.5),), stems={"vocals": "v.flac"})
    assert Song.from_json(song.to_json()) == song


@pytest.mark.parametrize(
    ("field", "value"),
    [("duration_s", 0), ("split", "dev"), ("id", ""), ("sample_rate_hz", -1), ("stems", {"drums": "d.wav"})],
)
def test_a_bad_song_names_its_field(field, value):
    with pytest.raises(RecordError, match=field):
        Song(**{**SONG, field: value})


def test_unknown_fields_are_named():
    with pytest.raises(RecordError, match="tempo"):
        Song.from_dict({**SONG, "tempo": 3})


@pytest.mark.parametrize("times", [(2.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0), (None, 1.0)])
def test_sentence_times_must_make_sense(times):
    with pytest.raises(RecordError):
        Sentence("la", *times)


@given(st.floats(0.1, 40), st.floats(0, 40), st.floats(0.01, 10))
def test_no_clip_is_longer_than_30_s_nor_cuts_a_sentence(duration_s, start_s, length_s):
    sentence = Sentence("la", start_s, start_s + length_s)
    fits = duration_s <= 30 and start_s + length_s <= duration_s
    build = lambda: Clip("a-000", "a", "test", 0.0, duration_s, sentences=(sentence,))  # noqa: E731
    if fits:
        assert build().lyrics == ("la",)
    elif duration_s > 30.001 or start_s + length_s > duration_s + 0.002:
        with pytest.raises(RecordError):
            build()


def test_a_clip_carries_its_songs_id():
    with pytest.raises(RecordError, match="id"):
        TokenClip("b-000", "a", "test", 0.0, 1.0, n_frames=50)
