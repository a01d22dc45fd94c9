"""Semantic tokens: a learned VQ over one layer of BEST-RQ (PAPER A.1), 50 a second for song, vocals, accompaniment."""
