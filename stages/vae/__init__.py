"""The variational autoencoder: 44.1 kHz audio to 32 numbers 43.07 times a second, and back (PAPER A.3)."""
