"""The Viterbi against enumeration of every path, and what star and skip are for."""

import itertools

import numpy as np
import pytest

from stages.segment.ctc import BLANK, Costs, align, support

COSTS = Costs(star=0.7, skip=1.1, pause=0.05)


def enumerate_best(log_probs_TV: np.ndarray, sentences: list[list[int]], costs: Costs) -> tuple[float, list]:
    """Every assignment of frames to states of the graph in words: per frame ("star", n), ("phone", k, i) or
    ("pause", k, i); score and spans of the best."""
    n_frames, k_all = len(log_probs_TV), len(sentences)
    states = [("star", n, 0) for n in range(k_all + 1)]
    states += [(kind, k, i) for k in range(k_all) for i in range(len(sentences[k])) for kind in ("phone", "pause")]
    best_score, best_path = -np.inf, None
    for path in itertools.product(states, repeat=n_frames):
        score, boundary, inside = 0.0, 0, None  # inside: (k, i, kind) while in a sentence
        for t, (kind, k, i) in enumerate(path):
            row = log_probs_TV[t]
            if kind == "star":
                if inside is not None:
                    if inside[2] == "pause" or inside[1] != len(sentences[inside[0]]) - 1:
                        break
                    boundary, inside = inside[0] + 1, None
                if k < boundary:
                    break
                score -= sum(len(s) * costs.skip for s in sentences[boundary:k])
                boundary = k
                score += max(row[BLANK], row.max() - costs.star)
                continue
            moved = inside is not None and inside[0] == k and (
                (kind == "phone" and i == inside[1] + 1)
                or (kind == "phone" and inside[2] == "phone" and i == inside[1])
                or (kind == "pause" and i == inside[1])
            )  # fmt: skip
            if not moved:
                ended = inside is None or (inside[2] == "phone" and inside[1] == len(sentences[inside[0]]) - 1)
                if kind != "phone" or i != 0 or not ended:
                    break
                boundary = boundary if inside is None else inside[0] + 1
                if k < boundary:
                    break
                score -= sum(len(s) * costs.skip for s in sentences[boundary:k])
                boundary = k
            inside = (k, i, kind)
            score += row[sentences[k][i]] if kind == "phone" else row[BLANK] - costs.pause
        else:
            if inside is not None:
                if inside[2] == "pause" or inside[1] != len(sentences[inside[0]]) - 1:
                    continue
                boundary = inside[0] + 1
            score -= sum(len(s) * costs.skip for s in sentences[boundary:])
            if score > best_score:
                best_score, best_path = score, path
    spans = []
    for k in range(k_all):
        at = [t for t, state in enumerate(best_path) if state[0] != "star" and state[1] == k]
        spans.append((at[0], at[-1] + 1) if at else None)
    return best_score, spans


@pytest.mark.parametrize("seed", range(12))
def test_viterbi_finds_the_best_of_all_paths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sentences = [[[1, 2], [3]], [[1], [2], [1]], [[1, 1]], [[2, 3, 1]]][seed % 4]
    log_probs = np.log(rng.dirichlet(np.full(4, 0.4), size=5) + 1e-6)
    _, expected = enumerate_best(log_probs, sentences, COSTS)
    found = align(log_probs, sentences, COSTS)
    assert [None if span is None else (span.start, span.end) for span in found] == expected


def sing(lines: list[list[int]], gap: int = 6, frames: int = 4, n_classes: int = 30, seed: int = 0) -> tuple:
    """Posteriors of `lines` sung one after the other with silences between, and where each begins."""
    rng = np.random.default_rng(seed)
    labels: list[int] = [BLANK] * gap
    starts = []
    for line in lines:
        starts.append(len(labels))
        labels += [phone for phone in line for _ in range(frames)] + [BLANK] * gap
    logits = rng.normal(0, 1, (len(labels), n_classes))
    logits[np.arange(len(labels)), labels] += 5.0
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), starts


def lyrics(n: int, seed: int = 1) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [[int(p) for p in rng.integers(1, 30, size=12)] for _ in range(n)]


def test_clean_singing_is_found_to_the_frame() -> None:
    lines = lyrics(8)
    log_probs, starts = sing(lines)
    spans = align(log_probs, lines, Costs())
    assert [span.start for span in spans] == starts
    assert [span.end for span in spans] == [start + 48 for start in starts]
    assert all(support(log_probs, line, span) > 0.8 for line, span in zip(lines, spans, strict=True))


def test_star_absorbs_a_line_the_lyrics_miss() -> None:
    lines = lyrics(8)
    log_probs, starts = sing(lines)
    for missing in range(8):
        spans = align(log_probs, lines[:missing] + lines[missing + 1 :], Costs())
        assert [span.start for span in spans] == starts[:missing] + starts[missing + 1 :]


def test_a_line_that_is_not_sung_is_skipped() -> None:
    lines = lyrics(9)
    log_probs, starts = sing(lines[:4] + lines[5:])
    spans = align(log_probs, lines, Costs())
    assert spans[4] is None
    assert [span.start for span in spans if span is not None] == starts


def test_two_unsung_lines_and_three_unwritten_ones() -> None:
    lines = lyrics(12)
    log_probs, starts = sing(lines[2:])
    spans = align(log_probs, lines[:5] + lines[8:], Costs())
    assert spans[0] is None and spans[1] is None
    assert [span.start for span in spans[2:]] == starts[:3] + starts[6:]


def test_phones_lie_in_order_inside_their_sentence() -> None:
    lines = lyrics(3)
    log_probs, _ = sing(lines, frames=3)
    for line, span in zip(lines, align(log_probs, lines, Costs()), strict=True):
        edges = [edge for phone in span.phones for edge in phone]
        assert len(span.phones) == len(line) and edges == sorted(edges)
        assert span.phones[0][0] == span.start and span.phones[-1][1] == span.end


def test_nothing_to_align() -> None:
    log_probs, _ = sing(lyrics(1))
    assert align(log_probs, [], Costs()) == []
    assert align(log_probs, [[], []], Costs()) == [None, None]
    assert align(np.zeros((0, 5)), [[1]], Costs()) == [None]


def test_ten_minutes_in_little_time_and_memory() -> None:
    """30,000 frames, 4,000 phones."""
    import resource

    rng = np.random.default_rng(0)
    log_probs = rng.normal(-4, 1, (30_000, 40)).astype(np.float32)
    lines = [[int(p) for p in rng.integers(1, 40, size=40)] for _ in range(100)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    align(log_probs, lines, Costs())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000  # kB
