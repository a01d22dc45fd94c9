"""Languages of lyrics, and what is declared against them."""

import pytest

from stages.ingest.config import IngestConfig
from stages.ingest.language import code_of, detect
from stages.ingest.probe import facts_of_text
from stages.ingest.rules import judge_language

VERSES = {
    "en": "I walked along the river when the night was falling down\n"
    "And all the lights were burning in the windows of the town",
    "de": "Ich ging am Fluss entlang, als schon die Nacht herunterkam\n"
    "Und alle Lichter brannten in den Fenstern dieser Stadt",
    "fr": "Je marchais le long de la rivière quand la nuit tombait\n"
    "Et toutes les lumières brûlaient aux fenêtres de la ville",
    "es": "Caminaba por la orilla cuando ya caía la noche\nY todas las luces ardían en las ventanas de la ciudad",
    "zh": "夜色落下的时候我沿着河边走\n城里的窗户都亮着灯",
    "ja": "夜が降りてくるころ川辺を歩いた\n町の窓には明かりがともっていた",
    "ko": "밤이 내릴 때 나는 강가를 걸었네\n마을의 창문마다 불빛이 타올랐네",
    "ru": "Я шёл вдоль реки, когда спускалась ночь\nИ все огни горели в окнах городка",
    "el": "Περπατούσα δίπλα στο ποτάμι όταν έπεφτε η νύχτα",
}


@pytest.mark.parametrize("language", VERSES)
def test_detect(language):
    found = detect(VERSES[language])
    assert found.language == language
    assert found.probability > 0.9


def test_too_few_letters_say_nothing():
    assert detect("la la la").language is None
    assert detect("1 2 3 !").language is None


@pytest.mark.parametrize(
    ("declared", "code"),
    [("English", "en"), ("en-GB", "en"), ("eng", "en"), ("zh_CN", "zh"), ("cmn", "zh"), ("Mandarin (China)", "zh"),
     ("普通话", "zh"), ("Français", "fr"), ("xx", "xx"), ("", None), (None, None)],
)  # fmt: skip
def test_codes_of_what_people_write(declared, code):
    assert code_of(declared) == code


def judge(language, declared, **settings):
    return judge_language(
        facts_of_text("\n".join([VERSES.get(language, language)] * 2)), declared, IngestConfig(**settings)
    )


def test_what_is_declared_holds_unless_the_lyrics_surely_differ():
    assert judge("en", None) == ("en", None)
    assert judge("en", "English") == ("en", None)
    language, reason = judge("en", "zh")
    assert language == "zh"
    assert reason is not None and reason.startswith("language mismatch: declared zh, the lyrics look like en (p = ")
    assert judge("en", "zh", language_letters=1000) == ("zh", None)
    assert judge("", "zh") == ("zh", None)
    assert judge("es", "pt") == ("pt", None)  # too near to be judged


def test_languages_that_are_not_wanted():
    assert judge("de", None, languages=("en", "zh"))[1] == "language not wanted: de, ingest.languages is en, zh"
    assert judge("zh", None, languages=("English", "Mandarin")) == ("zh", None)
    assert judge("", None, languages=("en",)) == (None, None)


def test_mismatch_is_on_the_ledger(workshop):
    workshop.song("a.flac", 1)
    workshop.lyrics("a.lrc", "[la:en]\n" + VERSES["zh"] + VERSES["zh"] + VERSES["zh"])
    workshop.song("b.flac", 2)
    workshop.lyrics("b.txt", VERSES["zh"])
    assert workshop.run() == 0
    entries = workshop.entries()
    assert entries["a.flac"].reason.startswith("language mismatch: declared en, the lyrics look like zh")
    assert entries["b.flac"].facts["language"] == "zh"
