"""Lyrics to phonemes: espeak's readings, spelling without it, and an inventory whose ids never move."""

import pytest

from stages.contract.digests import digest
from stages.lib import espeak, phonemes
from stages.lib.phonemes import PhonemeVocab, PhonemizerError, flat_phonemes, lyrics_symbols, to_phonemes

needs_espeak = pytest.mark.usefixtures("_espeak")


@pytest.fixture
def _espeak():
    pytest.importorskip("phonemizer")
    pytest.importorskip("espeakng_loader")


@pytest.fixture
def spelling(monkeypatch):
    """As on a machine without the GPL extra."""
    monkeypatch.setattr(espeak, "is_available", lambda: False)
    phonemes._words.cache_clear()
    yield
    phonemes._words.cache_clear()


@needs_espeak
def test_english_and_mandarin_as_espeak_prints_them():
    assert ["".join(word) for word in to_phonemes("Shine on!", "en")] == ["ʃˈaɪn", "ˈɔn"]
    assert ["".join(word) for word in to_phonemes("是", "zh")] == ["ʂˈɨ5"]
    assert flat_phonemes("是", "zh", prosody=False) == ["ʂ", "ɨ"]


@needs_espeak
def test_a_line_may_mix_scripts():
    mixed = to_phonemes("我 love 你", "zh")
    assert mixed == to_phonemes("我", "zh") + to_phonemes("love", "en") + to_phonemes("你", "zh")


@needs_espeak
@pytest.mark.parametrize("language, voice", [("zh", "cmn"), ("zh-TW", "cmn"), ("fr", "fr-fr"), ("xx", "en-us")])
def test_language_codes(language, voice):
    assert espeak.voice_of(language) == voice


@needs_espeak
@pytest.mark.parametrize("language", ["en", "zh", "fr", "de", "es", "ja", "pt-BR", "yue"])
def test_the_inventory_covers_what_espeak_prints(language):
    text = "Où est le garçon? Straße, mañana, 24 coisas; certain button measure 绿色的河流儿女知日"
    symbols = [symbol for word in to_phonemes(text, language) for symbol in word]
    vocab = PhonemeVocab()
    assert symbols
    assert phonemes.UNKNOWN not in vocab.decode(vocab.encode(symbols))


def test_lyrics_are_words_in_sentences():
    text = "".join(lyrics_symbols(["one day", "?!", "we"], "en"))
    assert text.count(phonemes.SENTENCE) == 1
    assert text.count(phonemes.WORD) == 1
    assert lyrics_symbols([], "en") == lyrics_symbols(["..."], "en") == [phonemes.NO_LYRICS]


def test_without_espeak_words_are_spelled(spelling):
    assert "".join(lyrics_symbols(["Déjà vu"], "en")) == "deja vu"
    assert "".join(lyrics_symbols(["月亮"], "zh")) == "yue4 liang4"
    assert PhonemeVocab().engine == "spelling"
    with pytest.raises(PhonemizerError, match="songcreator\\[phonemes\\]"):
        PhonemeVocab("espeak")


def test_ids_never_move():
    """Trained models depend on these very ids: a change of the inventory needs new models."""
    vocab = PhonemeVocab()
    assert len(set(vocab.symbols)) == len(vocab)
    assert vocab.pad_id == 0
    assert vocab.decode(vocab.encode(vocab.symbols)) == list(vocab.symbols)
    assert vocab.encode(["no such symbol"]) == [vocab.symbols.index(phonemes.UNKNOWN)]
    assert digest(list(vocab.symbols)) == "c877db6d6ea8ada7"
