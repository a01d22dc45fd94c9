"""Token shards to clips in memory, and clips to batches of a bounded size, each a function of its step alone.

Memory: 6 bytes a frame; the paper's 8,500 hours are 9 GB.
"""

import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader, Dataset

from stages.contract.records import MAX_CLIP_S, STREAMS, Sentence, TokenClip
from stages.contract.shards import iter_records
from stages.contract.tokens import FRAME_RATE_HZ, SpecialTokens
from stages.dslm.config import ExamplesConfig, TrainingConfig
from stages.dslm.examples import Batch, Example, TokenSong, collate, draw_example, max_prompt_frames
from stages.lib.data import clips_of_entry
from stages.lib.phonemes import PhonemeVocab, lyrics_symbols


def load_songs(folder: Path, max_train_clip_s: float = MAX_CLIP_S) -> dict[str, list[TokenSong]]:
    """All clips by split, in order of id. Those of the train split are cut where they are longer than
    `max_train_clip_s`; what is measured is measured on whole clips."""
    vocab, songs = PhonemeVocab(), defaultdict(list)
    max_frames = {"train": round(max_train_clip_s * FRAME_RATE_HZ)}
    for entry, files in iter_records(folder):
        for clip in clips_of_entry(entry, files, TokenClip):
            tokens = {stream: np.load(io.BytesIO(files[f"{clip.id}.{stream}.npy"])) for stream in STREAMS}
            for start, stop in cut(clip.sentences, clip.n_frames, max_frames.get(clip.split, clip.n_frames)):
                lines = [s.text for s in clip.sentences if start <= round((s.start_s or 0.0) * FRAME_RATE_HZ) < stop]
                songs[clip.split].append(
                    TokenSong(
                        f"{clip.id}+{start}",
                        clip.song_id,
                        {stream: row[start:stop] for stream, row in tokens.items()},
                        tuple(vocab.encode(lyrics_symbols(lines, clip.language))),
                    )
                )
    return {split: sorted(found, key=lambda song: song.id) for split, found in songs.items()}


def cut(sentences: Sequence[Sentence], n_frames: int, max_frames: int) -> list[tuple[int, int]]:
    """Spans of at most `max_frames` that end between sentences; longer only where one sentence is."""
    sung = [(round((s.start_s or 0.0) * FRAME_RATE_HZ), round((s.end_s or 0.0) * FRAME_RATE_HZ)) for s in sentences]
    spans, start = [], 0
    while n_frames - start > max_frames:
        stop = start + max_frames
        for first, last in reversed(sung):  # back to where nobody sings
            if first < stop < last:
                stop = first
        if stop <= start:  # one long sentence: on to its end
            stop = start + max_frames
            for first, last in sung:
                if first < stop < last:
                    stop = last
        stop = min(stop, n_frames)
        spans.append((start, stop))
        start = stop
    return [*spans, (start, n_frames)] if start < n_frames else spans


def plan_batches(
    lengths: Sequence[int], frames_per_batch: int, clips_per_batch: int, rng: np.random.Generator
) -> list[list[int]]:
    """Every index once, in batches of like length: padded, a batch holds at most `frames_per_batch` frames (a single
    longer clip makes one of its own). The order, and who meets whom, is drawn from `rng`."""
    noisy = np.asarray(lengths) * rng.uniform(0.9, 1.1, len(lengths))
    batches: list[list[int]] = []
    longest = 0
    for i in np.argsort(-noisy):
        longest_with = max(longest, lengths[i])
        last = batches[-1] if batches else None
        if last and len(last) < clips_per_batch and (len(last) + 1) * longest_with <= frames_per_batch:
            last.append(int(i))
            longest = longest_with
        else:
            batches.append([int(i)])
            longest = lengths[i]
    return [batches[i] for i in rng.permutation(len(batches))]


class TrainingBatches(Dataset[Batch]):
    """The batch of every step, for one of `world` processes. Step, seed and rank decide it: nothing to be saved."""

    def __init__(
        self,
        songs: Sequence[TokenSong],
        examples: ExamplesConfig,
        training: TrainingConfig,
        special: SpecialTokens,
        rank: int = 0,
        world: int = 1,
    ):
        self._songs, self._examples, self._training, self._special = songs, examples, training, special
        self._rank, self._world = rank, world
        self._of_song: dict[str, list[TokenSong]] = defaultdict(list)
        for song in songs:
            self._of_song[song.song_id].append(song)
        self._sizes: dict[int, int] = {}  # batches per epoch
        self._current: tuple[int, list[list[int]]] = (-1, [])  # one epoch's plan is in memory

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, counted from 0."""
        number = step * self._world + self._rank
        rng = np.random.default_rng((self._training.seed, 1, number))
        return collate([self._draw(self._songs[i], rng) for i in self._members(number)], self._special)

    def from_step(self, step: int) -> Iterator[Batch]:
        """The batches of `step` and all after it."""
        steps = range(step, self._training.n_steps)
        return iter(DataLoader(self, batch_size=None, sampler=steps, num_workers=self._training.n_workers))

    def _members(self, number: int) -> list[int]:
        """The clips of the batch with this number, counted over all epochs and processes."""
        epoch = 0
        while number >= (n_batches := self._n_batches(epoch)):
            number, epoch = number - n_batches, epoch + 1
        return self._plan(epoch)[number]

    def _n_batches(self, epoch: int) -> int:
        if epoch not in self._sizes:
            self._sizes[epoch] = len(self._plan(epoch))
        return self._sizes[epoch]

    def _plan(self, epoch: int) -> list[list[int]]:
        if self._current[0] != epoch:
            extra = max_prompt_frames(self._examples) + 1
            lengths = [song.n_frames + extra for song in self._songs]
            rng = np.random.default_rng((self._training.seed, 0, epoch))
            limits = self._training.frames_per_batch, self._training.clips_per_batch
            self._current = epoch, plan_batches(lengths, *limits, rng)
        return self._current[1]

    def _draw(self, song: TokenSong, rng: np.random.Generator) -> Example:
        mates = [mate for mate in self._of_song[song.song_id] if mate.id != song.id]
        return draw_example(song, mates, self._examples, self._special, rng)
