"""What each figure of metrics.json means, in words, and which way is better."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """`name` in metrics.json; `better`: higher, lower or nothing; `rivals`: what stands beside it, by label."""

    name: str
    label: str
    what: str
    better: str = ""
    unit: str = ""
    rivals: tuple[tuple[str, str], ...] = ()


def _probe(label: str, what: str) -> Meaning:
    base = f"tokens.probe.{label}"
    rivals = (("log-mel k-means", f"{base}.logmel_kmeans"), ("chance", f"{base}.chance"))
    return Meaning(f"{base}.ours", f"{label.capitalize()} told by tokens", what, "higher", "", rivals)


def _nll(stream: str) -> Meaning:
    base = f"dslm.nll.{stream}"
    rivals = (("bigram", f"{base}.bigram"), ("unigram", f"{base}.unigram"))
    what = f"surprise per {stream} token of unseen songs, lyrics and past known"
    return Meaning(f"{base}.ours", f"{stream.capitalize()}", what, "lower", "nats", rivals)


GROUPS: tuple[tuple[str, str, tuple[Meaning, ...]], ...] = (
    (
        "Separation",
        "Demucs splits each song into voice and accompaniment; measured where the true stems are known.",
        (
            Meaning("separation.si_sdr_improvement_db.vocals", "Vocals, gain over the mix",
                    "how many decibels nearer to the true voice than the mix was", "higher", "dB"),
            Meaning("separation.si_sdr_improvement_db.accompaniment", "Accompaniment, gain over the mix",
                    "the same for the band", "higher", "dB"),
            Meaning("separation.si_sdr_db.vocals", "Vocals, SI-SDR",
                    "true voice against everything that is not it", "higher", "dB"),
            Meaning("separation.si_sdr_db.accompaniment", "Accompaniment, SI-SDR", "the same for the band", "higher",
                    "dB"),
        ),
    ),
    (
        "Clips",
        "Songs are cut in silences between sentences, into clips of at most 30 seconds.",
        (
            Meaning("segment.n_clips", "Clips", "of the test songs"),
            Meaning("segment.mean_s", "Mean length", "the paper's mean is 18 s", "", "s"),
            Meaning("segment.max_s", "Longest", "30 s at most", "", "s"),
            Meaning("segment.sentences_cut", "Sentences cut", "true sentences with a cut inside them", "lower"),
            Meaning("segment.boundary_error_median_s", "Sentence times",
                    "median error of a sentence's start and end", "lower", "s"),
        ),
    ),
    (
        "Tokens",
        "BEST-RQ and a codebook turn a second of audio into fifty tokens.",
        (
            Meaning("tokens.codebook_used_fraction", "Codebook used", "share of the codes that occur in unseen songs",
                    "higher"),
            Meaning("tokens.perplexity", "Perplexity", "as many equally frequent codes would be as uncertain",
                    "higher"),
            _probe("phoneme", "share of frames whose phoneme their token tells, by counting on the train songs"),
            _probe("pitch", "share of frames whose sung note the tokens around them tell"),
            _probe("chord", "share of frames whose chord the tokens of a second tell"),
        ),
    ),
    (
        "Autoencoder",
        "The VAE turns audio into 43 latent frames a second and back.",
        (
            Meaning("vae.mel_l1", "Mel distance", "of what comes back, mean difference of log-mels", "lower", "nepers",
                    (("Griffin-Lim at the same rate", "vae.griffin_lim.mel_l1"),)),
            Meaning("vae.stft_distance", "STFT distance", "spectral convergence and log magnitudes, three sizes",
                    "lower"),
            Meaning("vae.si_sdr_db", "SI-SDR", "of the waveform itself", "higher", "dB"),
        ),
    ),
    (
        "Diffusion",
        "The latent diffusion model turns tokens into sound.",
        (
            Meaning("diffusion.mel_l1_true_tokens", "Mel distance, own tokens",
                    "audio made from a clip's own tokens, against the clip", "lower", "nepers",
                    (("another clip's tokens", "diffusion.mel_l1_shuffled_tokens"),)),
            Meaning("diffusion.pitch_error_cents_true_tokens", "Pitch error",
                    "of the voice, where both are voiced; 100 cents are a semitone", "lower", "cents"),
            Meaning("diffusion.rtf", "Time", "seconds of work per second of audio", "lower"),
        ),
    ),
    (
        "Language model",
        "The dual-sequence language model writes tokens; counting models are its rivals.",
        (_nll("vocals"), _nll("accompaniment"), _nll("song")),
    ),
)  # fmt: skip

TASK_MEASURES: tuple[Meaning, ...] = (
    Meaning("fad", "FAD", "Fréchet distance between what was made and true test audio, in the space of this run's "
            "BEST-RQ encoder; never to be put beside figures of another embedding", "lower"),
    Meaning("mcd", "MCD", "mel-cepstral distortion against the true performance, after time warping", "lower", "dB"),
    Meaning("secs", "SECS", "likeness of the voice to the one handed in, cosine of speaker embeddings", "higher"),
    Meaning("per", "PER", "phoneme error rate: what a phoneme recognizer hears against the lyrics", "lower"),
    Meaning("harmony", "Harmony", "how far the sung note is among the band's strong ones; 0.5 is chance", "higher"),
    Meaning("rtf", "Time", "seconds of work per second of new audio", "lower"),
)  # fmt: skip

TASK_WORDS: dict[str, tuple[str, str]] = {
    "lyrics_to_song": ("Lyrics to song", "Words become a whole song: voice, band, and both together."),
    "lyrics_to_vocals": ("Lyrics to vocals", "Words become a voice alone, in the manner of a vocal prompt."),
    "accompaniment_to_song": ("Accompaniment to song", "A voice is written over a band that is already there."),
    "vocals_to_song": ("Vocals to song", "A band is written under a voice that is already there."),
    "music_continuation": ("Music continuation", "A few seconds of music go on."),
    "song_editing": ("Song editing", "One line of a song is sung and played anew; the rest stays as it was."),
    "vocals_editing": ("Vocals editing", "One line of a voice alone is sung anew; the rest stays as it was."),
    "vocals_editing_in_song": (
        "Vocals editing in a song", "One line is sung anew over a band that stays as it was."),
}  # fmt: skip
