"""Songs into clips of whole sentences: voice activity, forced alignment, cuts in silences (PAPER §4.1)."""
