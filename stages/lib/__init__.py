"""Small leaves that several stages share: audio, phonemes, transformer blocks, training, command line."""
