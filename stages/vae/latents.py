"""Encode every clip's song, vocals and accompaniment with the VAE.

reads   data/clips, models/vae
writes  data/latents: CLIP.{song,vocals,accompaniment}.npy, float16 of shape (n, 32), normalised posterior means;
        a clip of T tokens (T = samples // 882) has n = ceil(882 T / 1024) of them
launch  songcreator latents --clips data/clips --vae models/vae --out data/latents [--shard N]
paper   A.3
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stages.contract.compute import Made, failed, kept
from stages.contract.records import STREAMS
from stages.contract.tokens import SAMPLE_RATE_HZ, SAMPLES_PER_TOKEN, n_frames_of
from stages.lib.cli import add_path, add_shard, stage_parser
from stages.lib.config import load_config
from stages.vae.config import LatentsConfig


def main(argv: list[str] | None = None) -> int:
    parser = stage_parser("latents", __doc__)
    add_path(parser, "--clips", "data/clips", "clips to encode")
    add_path(parser, "--vae", "models/vae", "the VAE's folder")
    add_path(parser, "--out", "data/latents", "where the latents go")
    add_shard(parser)
    args = parser.parse_args(argv)
    config = load_config(args.params, "latents", LatentsConfig)

    from stages.lib.sharded import run_shards

    folders = {"segment": args.clips, "vae": args.vae, "latents": args.out}
    encoder = _Encoder(args.clips, args.vae, config)
    run_shards("latents", args.params, folders, args.shard, encoder.make_for)
    return 0


class _Encoder:
    """Loads the VAE when the first stale shard asks for it."""

    def __init__(self, clips: Path, vae: Path, config: LatentsConfig):
        self._clips, self._vae, self._config = clips, vae, config
        self._model: Any = None

    def make_for(self, shard: int) -> Any:
        from stages.lib.data import song_members

        if self._model is None:
            self._model = load(self._vae)
        read = song_members(self._clips, shard)

        def make(ids: Sequence[str]) -> Iterator[tuple[str, Made]]:
            from stages.lib.progress import progress

            for id in progress(ids, len(ids), "latents", "songs"):
                yield id, encode_song(self._model, self._config, *read(id))

        return make


def load(folder: Path) -> Any:
    """The finished VAE on the best device there is."""
    import torch

    from stages.lib.allocator import keep_freed_memory
    from stages.vae.model import Autoencoder

    keep_freed_memory()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Autoencoder.from_pretrained(str(folder)).to(device).eval()


def encode_song(autoencoder: Any, config: LatentsConfig, entry: Any, files: dict[str, bytes]) -> Made:
    """One song's clips -> its latents."""
    import numpy as np
    import torch

    from stages.lib.audio import AudioError, decode_flac, to_float
    from stages.lib.data import clips_of_entry, mix, npy_bytes

    chunk_frames = max(1, round(config.chunk_s * autoencoder.config.latent_rate_hz))
    device = autoencoder.mean_1Z1.device
    made: dict[str, bytes] = {}
    audio_s = 0.0
    for clip in clips_of_entry(entry, files):
        try:
            stems = {s: decode_flac(files[f"{clip.id}.{s}.flac"]) for s in ("vocals", "accompaniment")}
        except (AudioError, KeyError) as error:
            return failed(f"clip {clip.id}: {error}")
        streams = {"song": mix(stems), **stems}
        n_samples = SAMPLES_PER_TOKEN * n_frames_of(min(map(len, streams.values())))
        x_ST = torch.from_numpy(np.stack([to_float(streams[s][:n_samples]) for s in STREAMS])).to(device)
        z_SZN = autoencoder.encode(x_ST, chunk_frames)
        for stream, z_ZN in zip(STREAMS, z_SZN.cpu().numpy(), strict=True):
            made[f"{clip.id}.{stream}.npy"] = npy_bytes(np.ascontiguousarray(z_ZN.T, np.float16))
        audio_s += n_samples / SAMPLE_RATE_HZ
    model = autoencoder.config
    return kept(audio_s, made, "latents", n_clips=len(made) // len(STREAMS), width=model.latent_width, hop=model.hop)


if __name__ == "__main__":
    raise SystemExit(main())
