"""What does an hour of clips take? Two tracks, of which the song is the sum, against three that say it again.

Reads the clips of a finished run (--clips, default data/clips); the song's FLAC is encoded here, as the others were.

    python benchmarks/storage.py [--json FILE] [--quick] [--clips DIR]
"""

import argparse
from collections import Counter
from pathlib import Path

from table import Row, report

from stages.contract.records import STREAMS
from stages.contract.tokens import SAMPLE_RATE_HZ
from stages.lib.audio import encode_flac
from stages.lib.data import ShardReader, list_clips

CORPUS_H = 8_500  # of the paper


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="20 clips")
    parser.add_argument("--clips", type=Path, default=Path("data/clips"))
    args = parser.parse_args()
    clips = list_clips(args.clips)[: 20 if args.quick else None]
    reader = ShardReader()
    n_bytes: Counter[str] = Counter()
    n_samples = 0
    for clip in clips:
        audio = reader.audio(clip)
        n_samples += len(audio["song"])
        n_bytes.update({stream: len(encode_flac(audio[stream])) for stream in STREAMS})
    reader.close()
    hours = n_samples / SAMPLE_RATE_HZ / 3600
    mb_per_h = {stream: n / hours / 1e6 for stream, n in n_bytes.items()}
    two, three = mb_per_h["vocals"] + mb_per_h["accompaniment"], sum(mb_per_h.values())
    wav = 2 * SAMPLE_RATE_HZ * 3600 / 1e6
    rows = {stream: Row(mb_per_h[stream], wav, "MB/h", len(clips), "16-bit PCM") for stream in STREAMS}
    rows["clip"] = Row(two, three, "MB/h", len(clips), "three tracks")
    rows["corpus"] = Row(two * CORPUS_H / 1e6, three * CORPUS_H / 1e6, "TB", len(clips), f"{CORPUS_H:,} h of three")
    report(f"{hours:.2f} h of clips", rows, args.json)


if __name__ == "__main__":
    main()
