"""The band played by sampled instruments: the General-MIDI sound font that pretty_midi carries, by tinysoundfont.

Optional (extra `demo`; TimGM6mb is GPL-2): used to make data, nothing of it is shipped.
"""

import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from stages.demo_songs.band import Event

_CHANNELS = {"bass": (1, 64), "chords": (2, 44), "pad": (3, 84), "lead": (4, 76), "drums": (9, 64)}  # number, pan
_VOLUMES = {"bass": 104, "chords": 84, "pad": 64, "lead": 88, "drums": 108}
_VOLUME, _PAN = 7, 10  # MIDI controllers


@functools.cache
def font_path() -> Path | None:
    """The sound font, where both packages are installed."""
    if importlib.util.find_spec("tinysoundfont") is None:
        return None
    found = importlib.util.find_spec("pretty_midi")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).with_name("TimGM6mb.sf2")
    return path if path.is_file() else None


def render(events: list[Event], programs: dict[str, int], duration_s: float, sample_rate_hz: int) -> np.ndarray:
    """Play; stereo float32 (n_samples, 2)."""
    synth = _synth(programs, sample_rate_hz)
    n_samples = round(duration_s * sample_rate_hz)
    commands: list[tuple[int, int, Event]] = []
    for event in events:
        commands.append((round(event.start_s * sample_rate_hz), 1, event))
        commands.append((round(event.end_s * sample_rate_hz), 0, event))
    out = np.zeros((n_samples, 2), np.float32)
    position = 0
    for sample, on, event in sorted(commands, key=lambda c: (c[0], c[1], c[2].track, c[2].midi)):
        if min(sample, n_samples) > position:
            _generate(synth, out[position : min(sample, n_samples)])
            position = min(sample, n_samples)
        channel = _CHANNELS[event.track][0]
        if on:
            synth.noteon(channel, event.midi, event.velocity)
        else:
            synth.noteoff(channel, event.midi)
    if position < n_samples:
        _generate(synth, out[position:])
    return out


def _synth(programs: dict[str, int], sample_rate_hz: int) -> Any:
    import tinysoundfont

    synth = tinysoundfont.Synth(samplerate=sample_rate_hz, gain=-6)
    font = synth.sfload(str(font_path()))
    for track, (channel, pan) in _CHANNELS.items():
        drums = track == "drums"
        synth.program_select(channel, font, 128 if drums else 0, 0 if drums else programs[track], drums)
        synth.control_change(channel, _VOLUME, _VOLUMES[track])
        synth.control_change(channel, _PAN, pan)
    return synth


def _generate(synth: Any, block: np.ndarray) -> None:
    block[:] = np.frombuffer(synth.generate(len(block)), np.float32).reshape(-1, 2)
