"""Generate semantic tokens: any task of the contract, any number of items at once.

    from stages.contract.tasks import TASKS
    song, = generate_tokens(model, TASKS["lyrics_to_song"], [Request(lyrics=ids, prompts={"vocals": prompt})])
    song["vocals"], song["accompaniment"], song["song"]     # uint16, 50 a second, equally long

Both streams are sampled in step (top-k 50, temperature 0.9, §4.1). An item ends when a predicted stream says <EOS>
(ours: whichever is first), at the length asked for, or with the given track beside it. The song's tokens come last,
all at once, from the song decoder.

    S predicted streams   B batch   T time   V vocabulary   D width
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stages.contract.tasks import Stream, Task
from stages.contract.tokens import FRAME_RATE_HZ
from stages.dslm.examples import Array, splice
from stages.dslm.model import DSLM
from stages.dslm.requests import Plan, Request, plan
from stages.dslm.steps import Steps


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. max_frames ends what says no <EOS>, min_frames keeps a song from ending at once."""

    top_k: int = 50
    temperature: float = 0.9
    max_frames: int = 30 * FRAME_RATE_HZ
    min_frames: int = FRAME_RATE_HZ
    song_argmax: bool = True  # False: the song's tokens are sampled too

    def __post_init__(self) -> None:
        if self.top_k < 1 or self.temperature <= 0 or self.max_frames < 1:
            raise ValueError(f"top_k and max_frames must be at least 1, temperature above 0: {self}")


@torch.inference_mode()
def generate_tokens(
    model: DSLM, task: Task, requests: Sequence[Request], sampling: Sampling | None = None
) -> list[dict[str, Array]]:
    """Token ids (uint16) by stream for each request, in order.

    A dictionary holds every decoder stream of the task (predicted, spliced or as given) and, where it is among the
    task's outputs, `song`; all equally long. A continued start is part of the result, a prompt is not.
    An item is drawn from its own seed: its neighbours in the batch do not matter.
    Raises RequestError where a request does not fit the task.
    """
    if not requests:
        return []
    sampling = sampling or Sampling()
    was_training = model.training
    model.eval()
    plans = [plan(task, request, model.special) for request in requests]
    steps = Steps(model, task, plans, [request.lyrics for request in requests])
    bodies = _sample_streams(model, task, plans, steps, [request.seed for request in requests], sampling)
    results: list[dict[str, Array]] = []
    for i, (request, laid_out) in enumerate(zip(requests, plans, strict=True)):
        body = {s: bodies[i].get(s, laid_out.rows[s][laid_out.n_prefix + 1 :]) for s in task.used}
        result: dict[str, Array] = {s: splice(body[s], laid_out.right.get(s, _NOTHING)) for s in task.used}
        if "song" in task.outputs:
            n_frames = len(body[task.used[0]])
            result["song"] = _song(model, steps.embeddings(i, n_frames), laid_out, request.seed, sampling)
        results.append({stream: tokens.astype(np.uint16) for stream, tokens in result.items()})
    model.train(was_training)
    return results


_NOTHING = np.empty(0, np.int64)


def _sample_streams(
    model: DSLM, task: Task, plans: Sequence[Plan], steps: Steps, seeds: Sequence[int], sampling: Sampling
) -> list[dict[Stream, Array]]:
    """The bodies of the predicted streams of every item."""
    special, device = model.special, model.decoders.embedding_SVD.device
    longest = [max(sampling.max_frames, p.n_known) if p.n_frames is None else p.n_frames for p in plans]
    shortest = [sampling.min_frames if p.n_frames is None else p.n_frames for p in plans]
    n_known = [p.n_known for p in plans]
    n_new = max(n - known for n, known in zip(longest, n_known, strict=True))
    chances_TSB = torch.stack([_chances(seed, n_new + 1, len(task.predicted)) for seed in seeds], -1).to(device)
    longest_B, shortest_B, n_frames_B = (torch.tensor(n, device=device) for n in (longest, shortest, n_known))
    ended_B = torch.zeros_like(n_frames_B, dtype=torch.bool)
    id_V = torch.arange(special.n_vocab, device=device)
    never_V = (id_V >= special.n_codes) & (id_V != special.eos)
    drawn = [torch.empty(len(task.predicted), len(plans), 0, dtype=torch.long, device=device)]

    logits_SBV = steps.start()
    for chances_SB in chances_TSB:
        logits_SBV.masked_fill_(never_V, -torch.inf)
        logits_SBV[..., special.eos].masked_fill_(n_frames_B < shortest_B, -torch.inf)
        tokens_SB = draw(logits_SBV, chances_SB, sampling)
        ended_B |= (tokens_SB == special.eos).any(0) | (n_frames_B >= longest_B)
        if bool(ended_B.all()):
            break
        n_frames_B += ~ended_B
        drawn.append(tokens_SB[..., None])
        logits_SBV = steps.step(tokens_SB)

    drawn_SBT = torch.cat(drawn, -1).cpu().numpy()
    bodies = []
    for i, (p, n_frames) in enumerate(zip(plans, n_frames_B.tolist(), strict=True)):
        new = dict(zip(task.predicted, drawn_SBT[:, i, : n_frames - p.n_known], strict=True))
        bodies.append({s: np.concatenate([p.rows[s][p.n_prefix + 1 :], new[s]]) for s in task.predicted})
    return bodies


def _chances(seed: int, *shape: int) -> Tensor:
    """Uniform numbers of one item, one per draw."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def draw(logits: Tensor, chances: Tensor, sampling: Sampling) -> Tensor:
    """Top-k sampling by inverting the distribution function: logits (..., V) and uniform chances (...) -> ids (...)."""
    values, ids = logits.float().topk(min(sampling.top_k, logits.shape[-1]), dim=-1)
    heaped = (values / sampling.temperature).softmax(-1).cumsum(-1)
    place = (heaped < chances[..., None] * heaped[..., -1:]).sum(-1, keepdim=True)
    return ids.gather(-1, place).squeeze(-1)


def _song(model: DSLM, e_STD: Tensor, laid_out: Plan, seed: int, sampling: Sampling) -> Array:
    """The song's tokens of one item, in the order of time."""
    prefixes = [laid_out.rows[stream][: laid_out.n_prefix] for stream in laid_out.rows]
    valid_T = torch.ones(e_STD.shape[1], dtype=torch.bool, device=e_STD.device)
    for prefix in prefixes:
        valid_T[: laid_out.n_prefix] &= model.is_valid(torch.from_numpy(prefix)).to(e_STD.device)
    positions_T = torch.arange(e_STD.shape[1], device=e_STD.device)
    logits_TV = model.song_decoder(e_STD[:, None], valid_T[None], positions_T[None])[0, :, : model.special.n_codes]
    if sampling.song_argmax:
        tokens_T = logits_TV.argmax(-1)
    else:
        tokens_T = draw(logits_TV, _chances(seed + 1, len(logits_TV)).to(e_STD.device), sampling)
    tokens = tokens_T.cpu().numpy()
    right = tokens[: laid_out.n_prefix] if laid_out.right else _NOTHING
    return splice(tokens[laid_out.n_prefix + 1 :], right)
