"""How far off are the sentences that our aligner finds? Against sentences spread evenly over the singing.

Demo songs nobody trained on (rendered here from another seed, unless --songs names some with truth), separated by
`separate.model` of params.yaml where it is a folder; else true vocals with the band leaking in at 15 dB.
Lower is better: seconds between found and true starts of lines, median and 90th percentile; lines further than 0.6 s
off or not found (share), with the lyrics as they are, with one line missing, with one line too many.

    python benchmarks/align.py [--json FILE] [--quick] [--songs DIR]
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from table import Row, report

from stages.contract.records import Song
from stages.lib.audio import decode_flac, to_float
from stages.lib.cli import quiet_environment
from stages.lib.config import load_config, load_params
from stages.segment.aligners import Aligner, UniformAligner, load_aligner
from stages.segment.config import SegmentConfig
from stages.segment.truth import RATE_HZ, KnownSong, find_truths, read_known
from stages.segment.vad import Vad, load_vad

ROOT = Path(__file__).parents[1]
SEED = 90_210  # of songs that neither demo nor training has seen
LEAKAGE_DB = -15.0
NEAR_S = 0.6


@dataclass(frozen=True)
class Case:
    """A song as the stage sees it, and its truth."""

    song: KnownSong
    vocals_T: np.ndarray
    rate_hz: int
    voice_R2: np.ndarray


@dataclass
class Errors:
    """Start errors of lines that were found (seconds), and how many there were to find."""

    starts_s: list[float]
    n_lines: int = 0

    def quantile(self, q: float) -> float:
        return float(np.quantile(np.abs(self.starts_s), q))

    @property
    def far_share(self) -> float:
        return 1 - sum(abs(e) <= NEAR_S for e in self.starts_s) / self.n_lines


def render(folder: Path, n_songs: int) -> None:
    from stages.demo_songs.config import DemoSongsConfig
    from stages.demo_songs.render import render_song
    from stages.demo_songs.store import write_song

    config = DemoSongsConfig.model_validate({})
    for k in range(n_songs):
        write_song(folder, render_song(SEED, k, config), "benchmark")


def separated(
    songs_folder: Path, truths: Sequence[tuple[Path, Path]], model: str, overlap: float
) -> dict[str, np.ndarray]:
    """Vocals at 44.1 kHz by song name, by the stage's own code."""
    from stages.separate.model import load_separator
    from stages.separate.run import Machine, separate_songs

    songs = [_record(songs_folder, truth.stem) for truth, _ in truths]
    made = separate_songs(songs, songs_folder, load_separator(model), overlap, False, Machine.of())
    return {id: to_float(decode_flac(result.files[f"{id}.vocals.flac"])) for id, result in made}


def _record(folder: Path, name: str) -> Song:
    import soundfile

    info = soundfile.info(folder / f"{name}.flac")
    return Song(name, f"{name}.flac", name, info.duration, info.samplerate, info.channels, "test")


def cases(folder: Path, params: Path, vad: Vad) -> tuple[list[Case], str]:
    """Every song of the folder, and in words where its vocals come from."""
    truths = find_truths(folder)
    known = [read_known(*paths) for paths in truths]
    separate = load_params(params).get("separate") or {}
    model = str(separate.get("model", ""))
    if Path(model).is_dir():
        stems = separated(folder, truths, model, float(separate.get("overlap", 0.25)))
        vocals, rate_hz, source = [stems[song.name] for song in known], 44_100, f"separated by {model}"
    else:
        vocals = [to_float(s.vocals_T) + to_float(s.accompaniment_T) * 10 ** (LEAKAGE_DB / 20) for s in known]
        rate_hz, source = RATE_HZ, f"true vocals, band leaking at {LEAKAGE_DB:g} dB"
    return [Case(s, x, rate_hz, vad.regions(x, rate_hz)) for s, x in zip(known, vocals, strict=True)], source


def measure(aligner: Aligner, cases: Sequence[Case], missing: int = 0, extra: int = 0) -> Errors:
    """Align every song, its lyrics with so many lines left out and so many of another song's put in."""
    rng = np.random.default_rng(0)
    errors = Errors([])
    for i, case in enumerate(cases):
        lines: list[tuple[int, str]] = list(enumerate(case.song.texts))
        left_out = set(rng.choice(len(lines), size=missing, replace=False).tolist())
        lines = [line for line in lines if line[0] not in left_out]
        foreign = cases[(i + 1) % len(cases)].song.texts
        for _ in range(extra):
            lines.insert(int(rng.integers(len(lines) + 1)), (-1, foreign[int(rng.integers(len(foreign)))]))
        texts = [text for _, text in lines]
        found = aligner.align(case.vocals_T, case.rate_hz, texts, case.song.language, case.voice_R2)
        for (k, _), place in zip(lines, found, strict=True):
            errors.n_lines += k >= 0
            if k >= 0 and place is not None:
                errors.starts_s.append(place.start_s - case.song.sentences[k][0])
    return errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="3 songs instead of 12")
    parser.add_argument("--songs", type=Path, help="songs with truth (demo_songs), instead of rendering some")
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml")
    args = parser.parse_args()
    quiet_environment()
    config = load_config(args.params, "segment", SegmentConfig)
    ours, rival = load_aligner(config), UniformAligner()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.songs or Path(scratch)
        if args.songs is None:
            render(folder, 3 if args.quick else 12)
        songs, source = cases(folder, args.params, load_vad(config))
    rows: dict[str, Row] = {}
    for name, damage in (("", {}), ("_missing_line", {"missing": 1}), ("_extra_line", {"extra": 1})):
        a, b = (measure(aligner, songs, **damage) for aligner in (ours, rival))
        if not name:
            rows["median_s"] = Row(a.quantile(0.5), b.quantile(0.5), "s", a.n_lines, rival.name)
            rows["p90_s"] = Row(a.quantile(0.9), b.quantile(0.9), "s", a.n_lines, rival.name)
        rows[f"lost{name}"] = Row(a.far_share, b.far_share, "share of lines", a.n_lines, rival.name)
    report(f"sentences of {len(songs)} demo songs, {source}", rows, args.json)


if __name__ == "__main__":
    main()
