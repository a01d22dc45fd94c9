"""A song as its own files make it, before its rivals are known: its record, or the reason why it has none."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from stages.contract.compute import Made
from stages.contract.digests import digest, digest_bytes
from stages.contract.files import FoundFile
from stages.contract.records import Sentence, Song
from stages.contract.shards import Outcome
from stages.ingest.cache import Cache
from stages.ingest.config import IngestConfig
from stages.ingest.lyrics.model import LANGUAGE, SINGER, TITLE, Lyrics
from stages.ingest.lyrics.sentences import fit
from stages.ingest.probe import AudioFacts, LyricsFacts, facts_of_text
from stages.ingest.rules import judge_audio, judge_language
from stages.ingest.sources import Source, relative

_STEM_SLACK_S = 0.1  # a stem may be this much longer or shorter than its song
_NO_LYRICS = Lyrics()
_LOSSLESS = (".wav", ".wave", ".flac", ".aif", ".aiff", ".aifc", ".caf", ".ape", ".wv", ".au")


@dataclass(frozen=True)
class Draft:
    source: Source
    outcome: Outcome
    reason: str
    audio: AudioFacts
    title: str = ""
    language: str | None = None
    singer: str | None = None
    lyrics: Lyrics = _NO_LYRICS
    stems: tuple[tuple[str, FoundFile, str], ...] = ()  # part, file, digest of its samples
    notes: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[object, ...]:
        """The smaller, the better among copies: kept songs, timed lyrics, lyrics, stems, lossless, longer (in whole
        seconds, since codecs pad), higher rate, path."""
        n = len(self.lyrics.sentences)
        return (
            self.outcome != "kept",
            n == 0,
            n == 0 or self.lyrics.n_timed < n,
            not self.stems,
            not self.source.name.lower().endswith(_LOSSLESS),
            -round(self.audio.duration_s),
            -self.audio.sample_rate_hz,
            self.source.name,
        )

    def left_out(self, reason: str) -> "Draft":
        return replace(self, outcome="dropped", reason=reason)

    def split(self, id: str, config: IngestConfig) -> str:
        """By the song's id, so that it never changes sides; a manifest may say otherwise."""
        if "split" in self.source.declared:
            return self.source.declared["split"]
        place = int(id, 16) / 16 ** len(id)
        if place < config.test_fraction:
            return "test"
        return "valid" if place < config.test_fraction + config.valid_fraction else "train"

    def made(self, id: str, root: Path, config: IngestConfig) -> Made:
        facts = self._facts()
        if self.outcome != "kept":
            return Made(self.outcome, self.reason, facts=facts)
        song = Song(
            id=id,
            path=self.source.name,
            title=self.title,
            duration_s=self.audio.duration_s,
            sample_rate_hz=self.audio.sample_rate_hz,
            n_channels=self.audio.n_channels,
            split=self.split(id, config),
            language=self.language,
            singer=self.singer,
            sentences=self.lyrics.sentences,
            stems={part: relative(file.path, root) for part, file, _ in self.stems} or None,
        )
        sentences = [[s.text, s.start_s, s.end_s] for s in song.sentences]
        outputs = {
            "audio": digest([id, *([part, content] for part, _, content in self.stems)]),
            "lyrics": digest([sentences, song.language, song.singer, song.split]),
        }
        facts["split"] = song.split
        return Made("kept", "", song.duration_s, {f"{id}.json": song.to_json()}, outputs, facts)

    def _facts(self) -> dict[str, object]:
        """For the ledger and the datasheet."""
        facts: dict[str, object] = {"path": self.source.name}
        if self.title:
            n, n_timed = len(self.lyrics.sentences), self.lyrics.n_timed
            facts |= {"title": self.title, "language": self.language, "singer": self.singer}
            facts |= {"n_sentences": n, "timed": bool(n) and n_timed == n, "stems": [part for part, *_ in self.stems]}
        if not self.audio.error:
            facts |= {
                "duration_s": self.audio.duration_s,
                "sample_rate_hz": self.audio.sample_rate_hz,
                "n_channels": self.audio.n_channels,
                "rms_dbfs": self.audio.rms_dbfs,
                "peak_dbfs": self.audio.peak_dbfs,
            }
        if self.notes:
            facts["notes"] = list(self.notes)
        return facts


def draft(source: Source, cache: Cache, config: IngestConfig) -> Draft:
    """Everything is in the cache by now."""
    if source.error:
        return _failed(source, source.error)
    audio = cache.audio(source.audio)
    if audio is None:
        return _failed(source, "no such file (a link that leads nowhere?)")
    if audio.error:
        return Draft(source, "failed", audio.error, audio)
    facts, tags, notes = _lyrics_of(source, cache)
    language, mismatch = judge_language(facts, tags.get(LANGUAGE), config)
    sentences = tuple(Sentence(**sentence) for sentence in facts.sentences)
    lyrics = fit(Lyrics(sentences, notes=facts.notes), audio.duration_s)
    stems, stem_notes = _stems_of(source, audio, cache)
    if audio.n_channels > 2:
        notes.append(f"{audio.n_channels} channels: mixed down")
    reason = judge_audio(audio, config) or mismatch or ""
    return Draft(
        source,
        "dropped" if reason else "kept",
        reason,
        audio,
        tags.get(TITLE) or _title_of(source.name),
        language,
        tags.get(SINGER),
        lyrics,
        stems,
        (*notes, *lyrics.notes, *stem_notes),
    )


def _failed(source: Source, reason: str) -> Draft:
    return Draft(source, "failed", reason, AudioFacts(digest([reason, source.name]), error=reason))


def _title_of(name: str) -> str:
    return name.rsplit("/", 1)[-1].rsplit(".", 1)[0] or name


def _lyrics_of(source: Source, cache: Cache) -> tuple[LyricsFacts, dict[str, str], list[str]]:
    """(the first lyrics that hold sentences, tags of all, notes). What the manifest declares goes before tags."""
    read = [facts_of_text(source.declared["text"])] if "text" in source.declared else []
    notes = []
    for file in source.lyrics:
        facts = cache.lyrics(file)
        if facts is None:
            notes.append(f"lyrics {_base(file)}: no such file")
        else:
            read.append(facts)
    chosen = next((facts for facts in read if facts.sentences), None)
    tags: dict[str, str] = {}
    for facts in read:
        tags = facts.tags | tags
        if not facts.sentences:
            notes += facts.notes
    return chosen or LyricsFacts(), tags | source.declared, notes


def _base(file: FoundFile) -> str:
    return file.path.replace("\\", "/").rsplit("/", 1)[-1]


def _stems_of(
    source: Source, audio: AudioFacts, cache: Cache
) -> tuple[tuple[tuple[str, FoundFile, str], ...], tuple[str, ...]]:
    stems, notes = [], []
    for part, file in source.stems:
        facts = cache.audio(file)
        problem = "no such file" if facts is None else facts.error or _unfit(facts, audio)
        if facts is None or problem:
            notes.append(f"{part} stem ignored: {problem}")
        else:
            stems.append((part, file, facts.id))
    return tuple(stems), tuple(notes)


def _unfit(stem: AudioFacts, song: AudioFacts) -> str:
    if stem.n_nonfinite:
        return f"{stem.n_nonfinite} NaN or infinite samples"
    if abs(stem.duration_s - song.duration_s) > _STEM_SLACK_S:
        return f"{stem.duration_s:.1f} s long, the song {song.duration_s:.1f} s"
    return ""


def files_of(source: Source) -> Iterator[tuple[str, FoundFile]]:
    """(table of the cache, file) of everything that has to be looked at."""
    if source.error:
        return
    yield "audio", source.audio
    yield from (("audio", file) for _, file in source.stems)
    yield from (("lyrics", file) for file in source.lyrics)


def content_of(id: str, made: Made) -> str:
    """The digest that stands for a song's inputs: of everything that is written about it."""
    files = [[name, digest_bytes(data)] for name, data in sorted(made.files.items())]
    return digest([id, made.outcome, made.reason, dict(made.outputs), dict(made.facts), files])
