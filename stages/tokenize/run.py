"""Clips of one song to tokens: what a shard's driver calls.

Shapes: T token frames, F mel bands.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import TypeVar

from torch import Tensor

from stages.contract.compute import Made, dropped, failed, kept
from stages.contract.records import STREAMS, Clip, TokenClip
from stages.contract.shards import Entry
from stages.contract.tokens import FRAME_RATE_HZ
from stages.lib.audio import AudioError, decode_flac
from stages.lib.data import clips_of_entry, mix, npy_bytes
from stages.lib.progress import progress
from stages.tokenize.tokenizer import Tokenizer

ReadSong = Callable[[str], tuple[Entry, dict[str, bytes]]]
ClipMels = list[tuple[Clip, list[Tensor]]]  # per clip the log-mels TF of its streams
AHEAD = 2  # songs decoded while one is encoded

In = TypeVar("In")
Out = TypeVar("Out")


def tokenize_songs(ids: Sequence[str], read: ReadSong, tokenizer: Tokenizer) -> Iterator[tuple[str, Made]]:
    """(id, Made) per song. A song's clips are encoded together and with no other song's, so that its tokens are the
    same bytes whichever songs are computed beside it."""

    def load(id: str) -> ClipMels | AudioError:
        try:
            return load_song(*read(id), tokenizer)
        except AudioError as error:
            return error

    for id, song in progress(zip(ids, ahead(load, ids), strict=True), len(ids), "tokenize", "songs"):
        yield id, failed(str(song)) if isinstance(song, AudioError) else tokenize_song(song, tokenizer)


def ahead(compute: Callable[[In], Out], items: Iterable[In], n: int = AHEAD) -> Iterator[Out]:
    """`compute` of each item in order, up to `n` of them computed in a thread before they are asked for."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[Out]] = deque()
        for item in items:
            waiting.append(pool.submit(compute, item))
            if len(waiting) > n:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def load_song(entry: Entry, files: dict[str, bytes], tokenizer: Tokenizer) -> ClipMels:
    """Decode a song's clips and take their log-mels. Raises AudioError."""
    loaded = []
    for clip in clips_of_entry(entry, files):
        audio = {stem: decode_flac(files[f"{clip.id}.{stem}.flac"]) for stem in ("vocals", "accompaniment")}
        audio["song"] = mix(audio)
        loaded.append((clip, [tokenizer.mel(audio[stream]) for stream in STREAMS]))
    return loaded


def tokenize_song(clips: ClipMels, tokenizer: Tokenizer) -> Made:
    """All clips and streams of one song in one go."""
    tokens = iter(tokenizer.encode_mels([mel_TF for _, mels in clips for mel_TF in mels]))
    files: dict[str, bytes] = {}
    n_frames = 0
    for clip, mels in clips:
        streams = {stream: next(tokens) for stream in STREAMS}
        n = len(mels[0])
        if n == 0:
            continue
        n_frames += n
        files[f"{clip.id}.json"] = TokenClip(**asdict(clip), n_frames=n).to_json()
        files |= {f"{clip.id}.{stream}.npy": npy_bytes(streams[stream]) for stream in STREAMS}
    if not files:
        return dropped("no clip holds a whole token (20 ms)")
    return kept(n_frames / FRAME_RATE_HZ, files, "tokens", n_frames=n_frames)
