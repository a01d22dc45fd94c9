"""The dual-sequence language model: lyrics to semantic tokens of vocals, accompaniment and song (PAPER §3)."""
