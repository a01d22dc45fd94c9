"""Catalogue -> stems: every song as vocals and accompaniment (Demucs), mono 44.1 kHz, their sum the song exactly."""
