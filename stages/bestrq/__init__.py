"""BEST-RQ: a Conformer that learns to hear by predicting random-projection codes of masked mels (PAPER A.1)."""
