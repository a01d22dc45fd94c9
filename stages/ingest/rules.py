"""The rules by which a song is left out: a table. Each looks at what was measured and gives a reason or None.

A reason is its kind up to the first colon (so the ledger counts it), then the figures and the setting.
"""

from collections.abc import Callable

from stages.ingest.config import IngestConfig
from stages.ingest.language import code_of
from stages.ingest.probe import AudioFacts, LyricsFacts

AudioRule = Callable[[AudioFacts, IngestConfig], str | None]


def _nonfinite(audio: AudioFacts, _: IngestConfig) -> str | None:
    """No threshold: one such sample makes every sum of its neighbourhood worthless."""
    return f"NaN or infinite samples: {audio.n_nonfinite} of {audio.n_values}" if audio.n_nonfinite else None


def _short(audio: AudioFacts, config: IngestConfig) -> str | None:
    if audio.duration_s >= config.min_s:
        return None
    return f"too short: {audio.duration_s:.2f} s, less than ingest.min_s {config.min_s:g}"


def _long(audio: AudioFacts, config: IngestConfig) -> str | None:
    if audio.duration_s <= config.max_s:
        return None
    return f"too long: {audio.duration_s:.0f} s, more than ingest.max_s {config.max_s:g}"


def _silent(audio: AudioFacts, config: IngestConfig) -> str | None:
    if audio.loudest_dbfs >= config.min_level_dbfs:
        return None
    return f"silence: {audio.loudest_dbfs:g} dBFS at the loudest, ingest.min_level_dbfs is {config.min_level_dbfs:g}"


def _mostly_silent(audio: AudioFacts, config: IngestConfig) -> str | None:
    if audio.silent_fraction <= config.max_silent_fraction:
        return None
    limit = f"more than ingest.max_silent_fraction {config.max_silent_fraction:g}"
    return f"mostly silence: {audio.silent_fraction:.2f} of the song, {limit}"


def _low_rate(audio: AudioFacts, config: IngestConfig) -> str | None:
    if audio.sample_rate_hz >= config.min_sample_rate_hz:
        return None
    limit = f"less than ingest.min_sample_rate_hz {config.min_sample_rate_hz}"
    return f"low sample rate: {audio.sample_rate_hz} Hz, {limit}"


def _clipped(audio: AudioFacts, config: IngestConfig) -> str | None:
    if audio.clipped_fraction <= config.max_clipped_fraction:
        return None
    limit = f"more than ingest.max_clipped_fraction {config.max_clipped_fraction:g}"
    return f"clipping: {audio.clipped_fraction:.3f} of the samples, {limit}"


AUDIO_RULES: tuple[AudioRule, ...] = (_nonfinite, _silent, _short, _long, _low_rate, _mostly_silent, _clipped)


def judge_audio(audio: AudioFacts, config: IngestConfig) -> str | None:
    return next((reason for rule in AUDIO_RULES if (reason := rule(audio, config))), None)


def judge_language(lyrics: LyricsFacts, declared: str | None, config: IngestConfig) -> tuple[str | None, str | None]:
    """(the song's language, reason to leave it out or None). What is declared holds unless the lyrics are surely in
    another language; where nothing is declared the lyrics say."""
    language = code_of(declared) or lyrics.language
    sure = lyrics.probability >= config.language_probability and lyrics.n_letters >= _enough(lyrics, config)
    if language != lyrics.language and lyrics.language and sure and not _related(language, lyrics.language):
        seen = f"declared {language}, the lyrics look like {lyrics.language}"
        limit = f"p = {lyrics.probability:.2f}, ingest.language_probability is {config.language_probability:g}"
        return language, f"language mismatch: {seen} ({limit})"
    if config.languages and lyrics.sentences and language not in map(code_of, config.languages):
        return language, f"language not wanted: {language}, ingest.languages is {', '.join(config.languages)}"
    return language, None


def _enough(lyrics: LyricsFacts, config: IngestConfig) -> float:
    """A Chinese, Japanese or Korean letter is worth three."""
    return config.language_letters / (3 if lyrics.language in ("zh", "ja", "ko") else 1)


_RELATED = ({"zh", "yue"}, {"no", "da", "nb", "nn", "sv"}, {"hr", "sr", "bs", "sl"}, {"id", "ms"}, {"cs", "sk"},
            {"es", "gl", "ca", "pt"}, {"nl", "af"}, {"ru", "uk", "be"}, {"hi", "mr", "ne"})  # fmt: skip


def _related(one: str | None, other: str) -> bool:
    """Languages that the detector confuses in verse."""
    return any({one, other} <= group for group in _RELATED)
