"""Decoding with kept keys and values against the whole model run anew, for every task."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from dslm_parts import SPECIAL, make_clip, random_model

from stages.contract.tasks import DECODER_STREAMS, TASKS, RequestError, Task
from stages.dslm.decode import Sampling, draw, generate_tokens
from stages.dslm.masks import SELF, cross_of
from stages.dslm.model import DSLM
from stages.dslm.requests import Request, plan, streams_slice
from stages.dslm.steps import Steps

CLIPS = [make_clip(seed, n_frames) for seed, n_frames in ((0, 12), (1, 17), (2, 9))]
SHORT = Sampling(max_frames=14, min_frames=3)


@pytest.fixture(scope="module")
def model() -> DSLM:
    return random_model()


def request_of(task: Task, i: int, **changes) -> Request:
    """A request that uses all that the task can take, of another length for each item."""
    clip, other = CLIPS[i], CLIPS[i - 1]
    values = {
        "lyrics": clip.lyrics,
        "given": {stream: clip.tokens[stream] for stream in task.given},
        "prompts": {stream: other.tokens[stream][: 3 + i + place] for place, stream in enumerate(task.prompts)},
        "edit": (2 + i, 5 + i) if task.edit else None,
        "seed": i,
    }
    return Request(**{**values, **changes})


def uncached(model: DSLM, task: Task, request: Request, drawn_ST: np.ndarray) -> torch.Tensor:
    """logits_STV of the predicted streams from one pass over the whole rows, drawn tokens included."""
    laid_out = plan(task, request, model.special)
    rows = {s: np.concatenate([laid_out.rows[s], drawn_ST[i]]) for i, s in enumerate(task.predicted)}
    rows = {s: rows.get(s, laid_out.rows[s]) for s in task.used}
    n_frames = max(map(len, rows.values()))
    padded = [np.pad(rows[s], (0, n_frames - len(rows[s])), constant_values=SPECIAL.pad) for s in task.used]
    cross = dict(zip(DECODER_STREAMS, cross_of(task.bca), strict=True))
    logits = model(
        torch.from_numpy(np.stack(padded))[:, None],
        torch.tensor([[SELF[task.attention[s]]] for s in task.used]),
        torch.tensor([[cross[s]] for s in task.used]),
        torch.tensor([request.lyrics]),
        streams_slice(task.used),
    )
    places = [task.used.index(stream) for stream in task.predicted]
    first = len(laid_out.rows[task.predicted[0]]) - 1
    return logits.streams_SBTV[places, 0, first : first + drawn_ST.shape[1] + 1]


@torch.no_grad()
@pytest.mark.parametrize("name", TASKS)
def test_cached_logits_are_the_uncached_ones(model, name):
    """A batch of three items, different in every length, fed the same tokens both ways."""
    task, n_new = TASKS[name], 4
    requests = [request_of(task, i) for i in range(3)]
    steps = Steps(model, task, [plan(task, r, SPECIAL) for r in requests], [r.lyrics for r in requests])
    drawn_SBT = torch.from_numpy(np.random.default_rng(0).integers(0, SPECIAL.n_codes, (len(task.predicted), 3, n_new)))
    stepped = [steps.start(), *(steps.step(drawn_SBT[..., t]) for t in range(n_new))]
    for i, request in enumerate(requests):
        expected_STV = uncached(model, task, request, drawn_SBT[:, i].numpy())
        torch.testing.assert_close(torch.stack([logits[:, i] for logits in stepped], 1), expected_STV)


@torch.no_grad()
@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if "song" in task.outputs])
def test_the_song_decoder_reads_what_it_reads_in_training(model, name):
    """Song tokens after decoding are the argmax of one pass over the finished rows."""
    task = TASKS[name]
    requests = [request_of(task, i) for i in range(3)]
    for request, result in zip(requests, generate_tokens(model, task, requests, SHORT), strict=True):
        laid_out = plan(task, request, SPECIAL)
        n_right = len(next(iter(laid_out.right.values()), ()))
        bodies = {s: result[s][: len(result[s]) - n_right].astype(np.int64) for s in task.used}
        rows = [np.concatenate([laid_out.rows[s][: laid_out.n_prefix + 1], bodies[s]]) for s in DECODER_STREAMS]
        logits = model(
            torch.from_numpy(np.stack(rows))[:, None],
            torch.tensor([[SELF[task.attention[s]]] for s in DECODER_STREAMS]),
            torch.tensor(cross_of(task.bca))[:, None],
            torch.tensor([request.lyrics]),
        )
        song = logits.song_BTV[0, :, : SPECIAL.n_codes].argmax(-1).numpy()
        expected = np.concatenate([song[laid_out.n_prefix + 1 :], song[: laid_out.n_prefix][:n_right]])
        assert np.array_equal(result["song"], expected)


@pytest.mark.parametrize("name", TASKS)
def test_results_have_the_shape_of_their_task(model, name):
    task = TASKS[name]
    requests = [request_of(task, i) for i in range(3)]
    for request, result in zip(requests, generate_tokens(model, task, requests, SHORT), strict=True):
        assert set(result) == {*task.used, *(["song"] if "song" in task.outputs else [])}
        assert len({len(tokens) for tokens in result.values()}) == 1
        assert all(tokens.dtype == np.uint16 and tokens.max() < SPECIAL.n_codes for tokens in result.values())
        for stream in set(task.given) - set(task.predicted):
            assert np.array_equal(result[stream], request.given[stream])
        if task.fixed_length:
            assert len(result["vocals"]) == len(request.given[task.given[0]])
        if task.edit:
            start, stop = request.edit
            for stream in task.predicted:
                n_right = len(request.given[stream]) - stop
                assert np.array_equal(result[stream][:start], request.given[stream][:start])
                assert np.array_equal(result[stream][len(result[stream]) - n_right :], request.given[stream][stop:])


@pytest.mark.parametrize("name", TASKS)
def test_neighbours_in_the_batch_do_not_matter(model, name):
    task = TASKS[name]
    requests = [request_of(task, i) for i in range(3)]
    together = generate_tokens(model, task, requests, SHORT)
    for request, expected in zip(requests, together, strict=True):
        (alone,) = generate_tokens(model, task, [request], SHORT)
        assert all(np.array_equal(alone[stream], expected[stream]) for stream in expected)


def test_a_continued_start_is_part_of_the_result(model):
    start = {stream: CLIPS[1].tokens[stream][:5] for stream in DECODER_STREAMS}
    request = Request(CLIPS[0].lyrics, starts=start, n_frames=11)
    (result,) = generate_tokens(model, TASKS["lyrics_to_song"], [request])
    assert len(result["song"]) == 11
    assert all(np.array_equal(result[stream][:5], start[stream]) for stream in start)
    prompt = {"accompaniment": CLIPS[0].tokens["accompaniment"][:5]}
    (result,) = generate_tokens(model, TASKS["music_continuation"], [Request(prompts=prompt, n_frames=9)])
    assert np.array_equal(result["accompaniment"][:5], prompt["accompaniment"])
    assert len(result["accompaniment"]) == 9


def test_end_of_song_ends_it():
    """At equal odds each of two streams ends with one chance in n_codes + 1: lengths are geometric from the first
    frame that may be the last."""
    model = random_model()
    with torch.no_grad():
        model.decoders.head.weight_SED.zero_()
    requests = [Request(CLIPS[0].lyrics, seed=seed) for seed in range(60)]
    sampling = Sampling(top_k=SPECIAL.n_vocab, max_frames=1000, min_frames=3)
    lengths = [len(result["song"]) for result in generate_tokens(model, TASKS["lyrics_to_song"], requests, sampling)]
    chance = 1 - (1 - 1 / (SPECIAL.n_codes + 1)) ** 2
    assert min(lengths) >= 3
    assert abs(np.mean(lengths) - 3 - (1 - chance) / chance) < 3 * np.sqrt(1 - chance) / chance / np.sqrt(60)
    results = generate_tokens(model, TASKS["lyrics_to_song"], requests, replace(sampling, max_frames=7))
    assert max(len(result["song"]) for result in results) == 7


def test_an_edit_of_nothing_else_gives_the_track_back(model):
    """Splicing undoes the layout: with the whole middle already known nothing is left to draw."""
    task, clip = TASKS["vocals_editing"], CLIPS[1]
    laid_out = plan(task, request_of(task, 1), SPECIAL)
    start, stop = request_of(task, 1).edit
    row = laid_out.rows["vocals"]
    assert row[laid_out.n_prefix] == SPECIAL.edit
    rebuilt = np.concatenate(
        [row[laid_out.n_prefix + 1 :], clip.tokens["vocals"][start:stop], laid_out.right["vocals"]]
    )
    assert np.array_equal(rebuilt, clip.tokens["vocals"])


def test_draws_follow_the_distribution():
    """Inverse sampling at evenly spread chances hits each id as often as its probability says, top-k cut and all."""
    logits = torch.tensor([1.0, 3.0, 2.0, -5.0])
    chances = (torch.arange(10_000) + 0.5) / 10_000
    ids = draw(logits.expand(10_000, 4), chances, Sampling(top_k=3, temperature=0.5))
    expected = (logits[:3] / 0.5).softmax(0)
    torch.testing.assert_close(torch.bincount(ids, minlength=4)[:3] / 10_000, expected, rtol=0, atol=2e-4)
    assert 3 not in ids


BAD = [
    ("accompaniment_to_song", {"given": {}}, "given: accompaniment_to_song wants accompaniment"),
    ("lyrics_to_vocals", {"prompts": {"accompaniment": CLIPS[0].tokens["vocals"]}}, "prompts: .* takes vocals"),
    ("song_editing", {"edit": (5, 40)}, r"edit: must be a span within 0\.\.12"),
    ("song_editing", {"edit": None}, "edit: song_editing needs span"),
    ("lyrics_to_song", {"starts": {"vocals": CLIPS[0].tokens["vocals"]}}, "starts: .* together"),
    ("lyrics_to_song", {"lyrics": ()}, "lyrics: must not be empty"),
    ("vocals_to_song", {"given": {"vocals": np.array([1, 99])}}, r"given.vocals: must be a row of codes 0\.\.23"),
    ("vocals_editing", {"n_frames": 3}, "n_frames: 3 is less than the 9"),
]


@pytest.mark.parametrize("name, changes, message", BAD)
def test_a_bad_request_names_the_field(name, changes, message):
    with pytest.raises(RequestError, match=message):
        plan(TASKS[name], request_of(TASKS[name], 0, **changes), SPECIAL)
