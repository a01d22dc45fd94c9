"""The band played by our own synthesis, for where no sound font is installed and for tests: plucked strings
(Karplus-Strong), additive organ and strings, FM keys, detuned saws, drums of noise."""

from collections.abc import Callable

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

from stages.demo_songs.band import CRASH, HAT, KICK, OPEN_HAT, SHAKER, SNARE, TOM_HIGH, TOM_LOW, Event

_PAN = {"bass": 0.5, "chords": 0.35, "pad": 0.62, "lead": 0.58, "drums": 0.5}  # 0 left, 1 right
_LEVELS = {"bass": 0.30, "chords": 0.14, "pad": 0.07, "lead": 0.16, "drums": 0.5}
_RELEASE_S = 0.08


def render(events: list[Event], programs: dict[str, int], duration_s: float, sample_rate_hz: int) -> np.ndarray:
    """Play; stereo float32 (n_samples, 2). Equal notes are made once."""
    n_samples = round(duration_s * sample_rate_hz)
    out = np.zeros((n_samples, 2), np.float32)
    made: dict[tuple[str, int, int], np.ndarray] = {}
    for event in events:
        length_s = round(event.end_s - event.start_s, 2)
        key = (event.track, event.midi, round(length_s * 100))
        if key not in made:
            made[key] = _note(event.track, event.midi, length_s, programs.get(event.track, 0), sample_rate_hz)
        note = made[key]
        begin = round(event.start_s * sample_rate_hz)
        note = note[: max(n_samples - begin, 0)]
        level = _LEVELS[event.track] * (event.velocity / 100) ** 1.5
        pan = _PAN[event.track]
        for side, share in enumerate((np.cos(pan * np.pi / 2), np.sin(pan * np.pi / 2))):
            out[begin : begin + len(note), side] += note * np.float32(level * share * np.sqrt(2))
    return out


def _note(track: str, midi: int, length_s: float, program: int, rate_hz: int) -> np.ndarray:
    if track == "drums":
        return DRUMS[midi](np.random.default_rng(midi), rate_hz).astype(np.float32)
    instrument = next(row[2] for row in INSTRUMENTS if row[0] <= program <= row[1])
    hz = 440.0 * 2 ** ((midi - 69) / 12)
    n = round((length_s + _RELEASE_S) * rate_hz)
    samples = instrument(np.random.default_rng(midi), hz, n, rate_hz)
    fade = min(round(_RELEASE_S * rate_hz), n)
    samples[-fade:] *= np.linspace(1, 0, fade)
    return samples.astype(np.float32)


def _pluck(rng: np.random.Generator, hz: float, n: int, rate_hz: int) -> np.ndarray:
    """Karplus-Strong: a burst of noise runs round a delay line that is tuned by a one-zero filter."""
    period = rate_hz / hz - 0.5
    delay = int(period)
    part = period - delay
    burst = np.zeros(n)
    burst[: min(delay, n)] = rng.uniform(-1, 1, delay)[:n]
    loss = 0.996
    feedback = np.zeros(delay + 3)
    feedback[0] = 1.0
    feedback[delay : delay + 3] = -loss * np.convolve((0.5, 0.5), (1 - part, part))
    return lfilter([1.0], feedback, burst)


def _keys(rng: np.random.Generator, hz: float, n: int, rate_hz: int) -> np.ndarray:
    """FM: the brightness of a struck key dies before its tone."""
    t = np.arange(n) / rate_hz
    index = 1.6 * np.exp(-t * 5) * min(1.0, 500 / hz)
    tine = np.sin(2 * np.pi * hz * t + index * np.sin(2 * np.pi * hz * 3 * t))
    return tine * np.exp(-t * 1.6) * np.minimum(t * 400, 1)


def _organ(rng: np.random.Generator, hz: float, n: int, rate_hz: int) -> np.ndarray:
    t = np.arange(n) / rate_hz
    partials = ((1, 1.0), (2, 0.6), (3, 0.35), (4, 0.25), (6, 0.12), (8, 0.08))
    tone = sum(level * np.sin(2 * np.pi * hz * k * t) for k, level in partials if hz * k < rate_hz / 2)
    return np.asarray(tone) * 0.5 * np.minimum(t * 60, 1)


def _saw(rng: np.random.Generator, hz: float, n: int, rate_hz: int) -> np.ndarray:
    """Two detuned saws without aliasing: partials are summed up to half the rate."""
    t = np.arange(n) / rate_hz
    found = np.zeros(n)
    for detune in (-0.003, 0.003):
        count = int(min(24, rate_hz / 2 / (hz * (1 + detune))))
        for k in range(1, count + 1):
            found += np.sin(2 * np.pi * hz * (1 + detune) * k * t + rng.uniform(0, 2 * np.pi)) / k
    return found * 0.4 * np.minimum(t * 80, 1)


def _strings(rng: np.random.Generator, hz: float, n: int, rate_hz: int) -> np.ndarray:
    """Slow saws under a low-pass."""
    swell = np.minimum(np.arange(n) / (0.25 * rate_hz), 1)
    return lfilter([0.12], [1, -0.88], _saw(rng, hz, n, rate_hz)) * swell * 1.6


def _drive(rng: np.random.Generator, hz: float, n: int, rate_hz: int) -> np.ndarray:
    """A plucked string through an overdriven amplifier and its loudspeaker."""
    hot = np.tanh(6 * _pluck(rng, hz, n, rate_hz))
    return sosfilt(butter(2, 4500, fs=rate_hz, output="sos"), hot) * 0.5


def _bass(rng: np.random.Generator, hz: float, n: int, rate_hz: int) -> np.ndarray:
    t = np.arange(n) / rate_hz
    tone = sum(np.sin(2 * np.pi * hz * k * t) * np.exp(-t * k) / k**1.3 for k in range(1, 9))
    return np.asarray(tone) * np.minimum(t * 200, 1)


Instrument = Callable[[np.random.Generator, float, int, int], np.ndarray]

# first and last General-MIDI program -> who plays it here
INSTRUMENTS: tuple[tuple[int, int, Instrument], ...] = (
    (0, 15, _keys), (16, 23, _organ), (24, 28, _pluck), (29, 31, _drive), (32, 39, _bass), (40, 55, _strings),
    (56, 79, _organ), (80, 87, _saw), (88, 127, _strings),
)  # fmt: skip


def _kick(rng: np.random.Generator, rate_hz: int) -> np.ndarray:
    t = np.arange(int(0.25 * rate_hz)) / rate_hz
    return np.sin(2 * np.pi * (50 * t + 8 * (1 - np.exp(-t * 30)))) * np.exp(-t * 14)


def _tom(hz: float) -> Callable[[np.random.Generator, int], np.ndarray]:
    def tom(rng: np.random.Generator, rate_hz: int) -> np.ndarray:
        t = np.arange(int(0.3 * rate_hz)) / rate_hz
        return 0.8 * np.sin(2 * np.pi * (hz * t + 3 * (1 - np.exp(-t * 20)))) * np.exp(-t * 10)

    return tom


def _snare(rng: np.random.Generator, rate_hz: int) -> np.ndarray:
    t = np.arange(int(0.22 * rate_hz)) / rate_hz
    hiss = sosfilt(butter(1, 1500, "high", fs=rate_hz, output="sos"), rng.normal(0, 0.4, len(t)))
    return hiss * np.exp(-t * 20) + 0.5 * np.sin(2 * np.pi * 190 * t) * np.exp(-t * 25)


def _metal(seconds: float, decay: float, level: float) -> Callable[[np.random.Generator, int], np.ndarray]:
    def metal(rng: np.random.Generator, rate_hz: int) -> np.ndarray:
        t = np.arange(int(seconds * rate_hz)) / rate_hz
        band = butter(2, 6500, "high", fs=rate_hz, output="sos")
        return level * sosfilt(band, rng.normal(0, 1, len(t))) * np.exp(-t * decay)

    return metal


DRUMS: dict[int, Callable[[np.random.Generator, int], np.ndarray]] = {
    KICK: _kick, SNARE: _snare, HAT: _metal(0.08, 60, 0.25), OPEN_HAT: _metal(0.4, 9, 0.25),
    CRASH: _metal(1.8, 2.2, 0.3), SHAKER: _metal(0.06, 50, 0.15), TOM_HIGH: _tom(160), TOM_LOW: _tom(95),
}  # fmt: skip
