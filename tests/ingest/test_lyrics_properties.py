"""What holds for any lyrics, and against other parsers: pylrc and srt, wherever they accept a file."""

import datetime
import itertools

import pylrc
import pytest
import srt
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.ingest.lyrics import PARSERS, lrc, read_lyrics, subtitles
from stages.ingest.lyrics.charset import decode
from stages.ingest.lyrics.marks import tidy
from stages.ingest.lyrics.model import Line, Parsed
from stages.ingest.lyrics.sentences import MAX_LINE_S, finish

QUICK = settings(max_examples=60, deadline=None)
WORDS = st.lists(
    st.sampled_from(["love", "me", "tender", "où", "été", "月亮", "走", "don't", "24"]), min_size=1, max_size=6
)
LINE = WORDS.map(" ".join)
TIME_S = st.integers(0, 3_599_990).map(lambda milliseconds: milliseconds / 1000)
APART_S = st.integers(0, 179_999).map(lambda fiftieths: fiftieths / 50)  # nearer lines count as one with a translation


def stamp(time_s: float, digits: int = 3) -> str:
    minutes, seconds = divmod(round(time_s, digits), 60)
    return f"[{int(minutes):02d}:{seconds:0{3 + digits}.{digits}f}]"


@QUICK
@given(st.sampled_from(sorted(PARSERS)), st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_bytes_are_read_without_error(suffix, data):
    lyrics = read_lyrics(f"song{suffix}", data)
    assert all(sentence.text == tidy(sentence.text) != "" for sentence in lyrics.sentences)


FRAGMENTS = st.sampled_from(
    ["[00:01.00]", "[01:02.03]", "[00:99.00]", "<00:02.00>", "[ti:x]", "[offset:100]", "-->", "00:00:01,000",
     "\n", "\n\n",
     "[", "]", "1", "WEBVTT", "#BPM:300", "#TITLE:x", ": 0 4 5 la", "- 4", "E", "la la", "[Chorus]", "(x2)", "&amp;",
     '{"text":']
)  # fmt: skip


@QUICK
@given(st.sampled_from(sorted(PARSERS)), st.lists(FRAGMENTS, max_size=25).map("".join))
def test_sentences_are_in_order_and_well_formed(suffix, text):
    """Sentence itself refuses what ends before it begins; here: times never go back, ends stay under the cap."""
    timed = [s for s in read_lyrics(f"song{suffix}", text.encode()).sentences if s.start_s is not None]
    assert [s.start_s for s in timed] == sorted(s.start_s for s in timed)
    assert all(s.end_s is not None for s in timed)


@QUICK
@given(st.lists(st.tuples(APART_S, LINE), min_size=1, max_size=12, unique_by=lambda item: item[0]))
def test_lines_with_their_times_come_back(items):
    text = "\n".join(stamp(time_s) + line for time_s, line in items)
    found = read_lyrics("a.lrc", text.encode()).sentences
    expected = sorted(items)
    assert [(s.start_s, s.text) for s in found] == [(round(t, 3), line) for t, line in expected]
    for sentence, following in itertools.pairwise(found):
        assert sentence.end_s == pytest.approx(min(following.start_s, sentence.start_s + MAX_LINE_S), abs=2e-3)


@QUICK
@given(
    st.lists(st.tuples(st.lists(TIME_S, min_size=1, max_size=3), LINE), max_size=10),
    st.sampled_from(["", "[ti:A title]\n[ar:Somebody]\n", "[by:x]\n\n"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([0, 2, 3]),
)
def test_lrc_is_read_like_pylrc(items, header, newline, digits):
    rows = ["".join(stamp(t, digits) if digits else stamp(int(t), 1)[:-3] + "]" for t in times) + line
            for times, line in items]  # fmt: skip
    text = (header + "\n".join(rows)).replace("\n", newline)
    theirs = [(line.time, line.text) for line in pylrc.parse(text)]
    ours = sorted((line.start_s, line.text) for line in lrc.parse(decode(text.encode())[0]).lines)
    assert [text for _, text in ours] == [text for _, text in sorted(theirs)]
    assert [time for time, _ in ours] == pytest.approx([time for time, _ in sorted(theirs)], abs=1.1e-3)


def test_lrc_offset_is_read_as_players_do_not_as_pylrc_does():
    """ "+" makes lyrics come sooner, by the format's description; pylrc adds it."""
    text = "[offset:+500]\n[00:10.00]one"
    assert [line.start_s for line in lrc.parse(text).lines] == [9.5]
    assert [line.time for line in pylrc.parse(text)] == [10.5]


CUES = st.lists(st.tuples(TIME_S, st.integers(1, 9_000), st.lists(LINE, min_size=1, max_size=3)), max_size=10)


@QUICK
@given(CUES, st.sampled_from(["\n", "\r\n"]))
def test_srt_is_read_like_srt(cues, newline):
    subs = [
        srt.Subtitle(
            n, datetime.timedelta(seconds=start), datetime.timedelta(seconds=start + ms / 1000), "\n".join(text)
        )
        for n, (start, ms, text) in enumerate(cues, 1)
    ]
    text = srt.compose(subs, reindex=False).replace("\n", newline)
    theirs = [(s.start.total_seconds(), s.end.total_seconds(), " ".join(s.content.split())) for s in srt.parse(text)]
    ours = [(line.start_s, line.end_s, line.text) for line in subtitles.parse_srt(decode(text.encode())[0]).lines]
    assert [line for *_, line in ours] == [line for *_, line in theirs]
    assert [times for *times, _ in ours] == [pytest.approx(times) for *times, _ in theirs]


@pytest.mark.parametrize(
    "text",
    ["1\n00:00:01,000 --> 00:00:02,000\none\n\ntwo\n\n2\n00:00:03,000 --> 00:00:04,000\nthree\n",
     "1\n0:0:1,5 --> 0:0:2,50\none\n\n2\n00:00:03.000 --> 00:00:04:000\ntwo\n",
     "00:00:01,000 --> 00:00:02,000\none\n\n00:00:03,000 --> 00:00:04,000\ntwo\n"],
)  # fmt: skip
def test_dirty_srt_is_read_like_srt(text):
    theirs = [(s.start.total_seconds(), s.end.total_seconds(), " ".join(s.content.split())) for s in srt.parse(text)]
    assert [(line.start_s, line.end_s, line.text) for line in subtitles.parse_srt(text).lines] == theirs


@QUICK
@given(st.lists(LINE, min_size=1, max_size=10), st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans())
def test_plain_lines_come_back(found, newline, bom):
    data = (b"\xef\xbb\xbf" if bom else b"") + newline.join(found).encode()
    assert [s.text for s in read_lyrics("a.txt", data).sentences] == found


@QUICK
@given(st.lists(st.tuples(st.one_of(st.none(), APART_S), LINE), max_size=12))
def test_no_line_is_lost_or_moved_before_the_one_it_follows(items):
    """Untimed lines keep their place behind their predecessor in the file."""
    lyrics = finish(Parsed(tuple(Line(f"{n} {text}", start) for n, (start, text) in enumerate(items))))
    order = [int(s.text.split()[0]) for s in lyrics.sentences]
    starts = [start for start, _ in items if start is not None]
    if len(set(starts)) == len(starts):
        assert sorted(order) == list(range(len(items)))
        for n, (start, _) in enumerate(items):
            if n and start is None:
                assert order[order.index(n) - 1] == n - 1
