"""Lyric files as they are found: every format, with the dirt that comes with it."""

import json

import pytest

from stages.ingest.lyrics import PARSERS, parser_for, read_lyrics, read_text
from stages.ingest.lyrics.sentences import MAX_LINE_S, fit


def lines(name: str, text: str | bytes):
    """[(text, start, end)] of a file."""
    lyrics = read_lyrics(name, text.encode() if isinstance(text, str) else text)
    return [(s.text, s.start_s, s.end_s) for s in lyrics.sentences]


def words(name: str, text: str | bytes) -> list[str]:
    return [text for text, _, _ in lines(name, text)]


def test_lrc_with_all_its_dirt():
    text = (
        "\ufeff[ti:Song [live]]\r\n[ar: The Singer]\r\n[al:Album]\r\n[by:somebody]\r\n[length:02:00]\r\n[la:en]\r\n"
        "[offset:+500]\r\n\r\n"
        "[00:01.00]Lyrics by: Somebody\r\n"
        "[00:10.50][01:10.5]Rock &amp; roll\u200b again\r\n"
        "[00:12.00][Chorus]\r\n"
        "[00:13:25]<00:13.25>Word <00:14.00>by <00:14.50>word<00:15.00>\r\n"
        "[00:20.00]\r\n"
        "[01:02:03.250]♪ An hour later ♪\r\n"
    )
    assert lines("a.lrc", text) == [
        ("Rock & roll again", 10.0, 11.5),
        ("Word by word", 12.75, 14.5),
        ("Rock & roll again", 70.0, 80.0),
        ("An hour later", 3722.75, 3732.75),
    ]
    assert read_lyrics("a.lrc", text.encode()).tags == {
        "title": "Song [live]", "singer": "The Singer", "language": "en",
    }  # fmt: skip


def test_lrc_line_ends_where_the_next_begins_at_the_latest_after_the_cap():
    assert lines("a.lrc", "[00:01.00]one\n[00:03.00]two\n[00:04.00]\n[00:50.00]three\n") == [
        ("one", 1.0, 3.0),
        ("two", 3.0, 4.0),
        ("three", 50.0, 50.0 + MAX_LINE_S),
    ]


def test_negative_offset_makes_lines_later():
    assert lines("a.lrc", "[offset:-250]\n[00:01.00]one\n") == [("one", 1.25, 11.25)]


def test_broken_times_cost_only_themselves():
    text = "[00:01.00]one\n[00:61.00]two\n[aa:bb.cc]three\n[0O:03.00]four\n[00:04.00five\n[00:05.00]six\n"
    assert lines("a.lrc", text) == [
        ("one", 1.0, 5.0),
        ("two", None, None),
        ("three", None, None),
        ("four", None, None),
        ("five", None, None),
        ("six", 5.0, 15.0),
    ]
    assert read_lyrics("a.lrc", text.encode()).notes == ("broken times ignored on 4 of 6 lines",)


def test_placeholder_times_are_no_times():
    text = "[00:00.00]one\n[00:00.00]two\n[00:00.00]three\n"
    assert lines("a.lrc", text) == [("one", None, None), ("two", None, None), ("three", None, None)]
    assert read_lyrics("a.lrc", text.encode()).notes == ("times ignored: most lines share one start",)


def test_translation_with_the_same_start_is_left_out():
    text = "[00:01.00]我们走过\n[00:01.00]We walked along\n[00:05.00]看见月亮\n[00:05.00]And saw the moon\n"
    assert lines("a.lrc", text) == [("我们走过", 1.0, 5.0), ("看见月亮", 5.0, 15.0)]
    assert read_lyrics("a.lrc", text.encode()).notes == ("2 translated lines left out",)


def test_square_brackets_hold_no_sung_words():
    assert words("a.lrc", "[00:01.00][Bob] hey there [x2]\n[00:02.00](ooh) yeah\n") == ["hey there", "(ooh) yeah"]


@pytest.mark.parametrize(
    "mark",
    ["[Chorus]", "(Verse 2)", "[Verse 2: Singer]", "Chorus:", "** Bridge **:", "[Intro]", "(Instrumental)", "【副歌】",
     "[Pre-Chorus]", "[Outro x2]", "(x2)", "[Repeat]", "---", "♪♪♪", "作词：某人", "编曲: 某人", "Written by Someone",
     "Lyrics by: Someone", "https://example.org/lyrics", "© 1999 Somebody", "Composer: Someone"],
)  # fmt: skip
def test_what_is_not_sung_is_left_out(mark):
    assert words("a.txt", f"first line\n{mark}\nlast line\n") == ["first line", "last line"]


@pytest.mark.parametrize(
    "sung",
    ["Chorus of angels", "Break the chains", "Music to my ears", "Bridge over the river", "The verse I wrote",
     "(I want you)", "Written in the stars", "Hook me up", "24 hours", "x marks the spot", "10:15 on a Saturday",
     "Intro-duce me to your friend", "End of the road", "Written by the river", "词不达意"],
)  # fmt: skip
def test_what_is_sung_stays(sung):
    assert words("a.txt", f"first line\n{sung}\n") == ["first line", sung]


def test_repeat_signs():
    """Sung twice in plain text; with times, each singing has its own."""
    assert words("a.txt", "la la la (x2)\nhey [3x]\nend\n") == ["la la la", "la la la", "hey", "hey", "hey", "end"]
    assert words("a.lrc", "[00:01.00]la la la (x2)\n") == ["la la la"]


def test_long_paragraph_falls_apart_at_full_stops():
    text = "We walked along the shore that day. " * 10
    assert words("a.txt", text) == ["We walked along the shore that day."] * 10


def test_srt():
    text = (
        "1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>First</i> line\r\nsecond row\r\n\r\n"
        "2\r\n00:00:03.000 --> 00:00:02.000 X1:10\r\n- It&#39;s backwards\r\n\r\n"
        "3\r\n00:00:oo,000 --> 00:00:05,000\r\nbroken\r\n\r\n"
        "00:00:06,000 --> 00:00:07,000\r\n{\\an8}no number\r\n"
    )
    assert lines("a.srt", text) == [
        ("First line second row", 1.0, 2.5),
        ("It's backwards", 3.0, 6.0),
        ("broken", None, None),
        ("no number", 6.0, 7.0),
    ]


def test_vtt():
    text = (
        "WEBVTT - title\n\nSTYLE\n::cue { color: red }\n\nNOTE a comment\n\n"
        "intro\n00:01.000 --> 00:02.500 align:start\n<v Bob>First</v> <c.loud>line</c>\n\n"
        "00:00:03.000 --> 00:00:04.000\nsecond\n\nNOTE another\n"
    )
    assert lines("a.vtt", text) == [("First line", 1.0, 2.5), ("second", 3.0, 4.0)]


ULTRASTAR = (
    "#TITLE:A Title\n#ARTIST:An Artist\n#LANGUAGE:English\n#BPM:150,0\n#GAP:1000\n#MP3:song.mp3\n"
    ": 0 4 60 Twin\n: 4 4 60 kle\n* 8 4 62  lit\n: 12 4 62 tle\n: 16 4 62 ~\n- 24\nF 30 10 0 star\nE\n"
)


def test_ultrastar():
    """150 named beats a minute are 10 counted ones a second."""
    assert lines("a.txt", ULTRASTAR) == [("Twinkle little", 1.0, 3.0), ("star", 4.0, 5.0)]
    assert read_lyrics("a.txt", ULTRASTAR.encode()).tags == {
        "title": "A Title", "singer": "An Artist", "language": "English",
    }  # fmt: skip


def test_ultrastar_relative_duet_and_broken_tempo():
    relative = "#TITLE:t\n#BPM:150\n#GAP:0\n#RELATIVE:YES\n: 0 5 1 one\n- 10 20\n: 5 5 1 two\nE\n"
    assert lines("a.txt", relative) == [("one", 0.0, 0.5), ("two", 2.5, 3.0)]
    duet = "#TITLE:t\n#BPM:150\n#GAP:0\nP1\n: 0 5 1 one\n- 6\n: 50 5 1 three\nP2\n: 20 5 1 two\nE\n"
    assert words("a.txt", duet) == ["one", "two", "three"]
    assert lines("a.txt", ULTRASTAR.replace("150,0", "fast")) == [("Twinkle little", None, None), ("star", None, None)]


def test_json_of_ours_and_of_a_transcriber():
    ours = {"title": "T", "singer": "S", "language": "zh",
            "sentences": [{"text": "一", "start_s": 1, "end_s": 2.5}, {"text": "二"}]}  # fmt: skip
    assert lines("a.json", json.dumps(ours)) == [("一", 1.0, 2.5), ("二", None, None)]
    assert read_lyrics("a.json", json.dumps(ours).encode()).tags == {"title": "T", "singer": "S", "language": "zh"}
    whisper = {"text": "one two", "language": "en", "segments": [{"start": 0.0, "end": 1.0, "text": " one"}, "two"]}
    assert lines("a.json", json.dumps(whisper)) == [("one", 0.0, 1.0), ("two", None, None)]
    assert words("a.json", '["one", "two"]') == ["one", "two"]
    assert words("a.json", '{"lyrics": "one\\ntwo"}') == ["one", "two"]


@pytest.mark.parametrize("text", ["{", "3", '{"segments": 4}', "[" * 100_000, '[{"text": "a", "start": NaN}]', "null"])
def test_json_that_is_none_is_no_error(text):
    assert all(start is None for _, start, _ in lines("a.json", text))


def test_content_overrules_the_suffix():
    assert lines("a.txt", "[ti:x]\n[00:01.00]one\n") == [("one", 1.0, 11.0)]
    assert lines("a.lrc", "1\n00:00:01,000 --> 00:00:02,000\none\n") == [("one", 1.0, 2.0)]
    assert words("a.lrc", "one\ntwo\n") == ["one", "two"]
    assert parser_for("a.txt", "one") is PARSERS[".txt"]
    assert [s.start_s for s in read_text("[00:01.00]one").sentences] == [1.0]


CHARSETS = {
    "utf-8-sig": "想用倔强造句遣词",
    "utf-16": "Où est passée la forêt",
    "cp1252": "Où est passée la forêt – l'été “brûlé”",
    "latin-1": "Señor, ¿dónde está mi corazón?",
    "gb18030": "想用倔强造句遣词，写最与众不同的诗",
    "big5": "想用倔強造句遣詞，寫最與眾不同的詩",
    "shift_jis": "夢ならばどれほどよかったでしょう",
    "euc_kr": "그대를 만나고 그대의 머릿결을 만질 수가 있어서",
    "cp1251": "Выхожу один я на дорогу, сквозь туман",
}


@pytest.mark.parametrize("charset", CHARSETS)
def test_charset_is_found(charset):
    text = CHARSETS[charset]
    lyrics = read_lyrics("a.txt", text.encode(charset))
    assert [s.text for s in lyrics.sentences] == [text]
    assert bool(lyrics.notes) == (not charset.startswith("utf"))


def test_no_text_is_no_lyrics():
    lyrics = read_lyrics("a.txt", bytes(range(256)) * 20)
    assert lyrics.sentences == ()
    assert lyrics.notes == ("a.txt is not text: read as no lyrics",)


def test_times_beyond_the_song_are_dropped():
    lyrics = read_lyrics("a.lrc", b"[00:01.00]one\n[00:07.00]two\n[00:55.00]three\n")
    fitted = fit(lyrics, 12.0)
    assert [(s.start_s, s.end_s) for s in fitted.sentences] == [(1.0, 7.0), (7.0, 12.0), (None, None)]
    assert fitted.notes == ("1 of 3 lines begin after the song's end: those times ignored",)
    assert all(s.start_s is None for s in fit(lyrics, 5.0).sentences)
