"""Negative log-likelihood of true tokens, nats per token, beside what counting achieves at the same targets.

The task is lyrics-to-song (C/C, BR) with the true past at every step; the song's tokens are predicted from the two
streams, all at once. Targets are the clips' own tokens, every one, and nothing else: <EOS> is left out, since the
baselines do not know it.

    S streams   B batch   T time   V vocabulary
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.contract.records import STREAMS
from stages.contract.tasks import DECODER_STREAMS, TASKS
from stages.contract.tokens import SpecialTokens
from stages.dslm import baselines
from stages.dslm.config import TrainingConfig
from stages.dslm.examples import IGNORED, Batch, TokenSong, collate, make_example
from stages.dslm.model import DSLM, Logits

FRAMES_AT_ONCE = TrainingConfig.model_fields["frames_per_batch"].default


def cross_entropies(logits: Logits, batch: Batch, smoothing: float = 0.0, mean: bool = True) -> dict[str, Tensor]:
    """Cross-entropy of every stream in nats, its mean (or sum) over the targets there are; 0 where there is none."""
    assert logits.song_BTV is not None, "a song needs both streams"
    names = (*DECODER_STREAMS, "song")
    logits_BTV, targets_BT = (*logits.streams_SBTV, logits.song_BTV), (*batch.targets_SBT, batch.song_BT)
    pairs = zip(names, logits_BTV, targets_BT, strict=True)
    return {name: _cross_entropy(guess, truth, smoothing, mean) for name, guess, truth in pairs}


def _cross_entropy(logits_BTV: Tensor, targets_BT: Tensor, smoothing: float, mean: bool) -> Tensor:
    nats = F.cross_entropy(
        logits_BTV.flatten(0, 1).float(),
        targets_BT.flatten(),
        ignore_index=IGNORED,
        label_smoothing=smoothing,
        reduction="sum",
    )
    return nats / (targets_BT != IGNORED).sum().clamp_min(1) if mean else nats


def teacher_forced(
    songs: Sequence[TokenSong], special: SpecialTokens, frames_at_once: int = FRAMES_AT_ONCE
) -> Iterator[Batch]:
    """Lyrics-to-song batches of like length, without prompts; <EOS> is no target."""
    waiting: list[TokenSong] = []
    for song in sorted(songs, key=lambda song: (-song.n_frames, song.id)):
        if waiting and (len(waiting) + 1) * (waiting[0].n_frames + 1) > frames_at_once:
            yield _batch(waiting, special)
            waiting = []
        waiting.append(song)
    if waiting:
        yield _batch(waiting, special)


def _batch(songs: Sequence[TokenSong], special: SpecialTokens) -> Batch:
    batch = collate([make_example(song, TASKS["lyrics_to_song"], special) for song in songs], special)
    batch.targets_SBT.masked_fill_(batch.targets_SBT == special.eos, IGNORED)
    return batch


@torch.inference_mode()
def nll(model: DSLM, songs: Sequence[TokenSong], frames_at_once: int = FRAMES_AT_ONCE) -> dict[str, float]:
    """Nats per token of every stream."""
    device, was_training = model.decoders.embedding_SVD.device, model.training
    model.eval()
    nats = dict.fromkeys(STREAMS, 0.0)
    for batch in teacher_forced(songs, model.special, frames_at_once):
        here = batch.to(device)
        logits = model(here.tokens_SBT, here.own_SB, here.other_SB, here.lyrics_BL)
        for name, value in cross_entropies(logits, here, mean=False).items():
            nats[name] += float(value)
    model.train(was_training)
    n_tokens = sum(song.n_frames for song in songs)
    return {name: value / n_tokens for name, value in nats.items()}


def compare(
    model: DSLM, train: Sequence[TokenSong], valid: Sequence[TokenSong], test: Sequence[TokenSong]
) -> dict[str, dict[str, float]]:
    """{stream: {ours, bigram, unigram}} on `test`; the baselines count `train` and choose their smoothing on `valid`.
    What the evaluate stage reports as `dslm.nll`."""
    ours = nll(model, test)
    figures = {}
    for stream in STREAMS:
        rows = [[song.tokens[stream] for song in songs] for songs in (train, valid, test)]
        grams = baselines.fit(rows[0], rows[1], model.special.n_codes)
        figures[stream] = {"ours": ours[stream], **grams.nll(rows[2])}
    return figures
