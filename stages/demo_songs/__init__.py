"""Songs to try the pipeline on, made here, with everything about them known: lyrics, notes, phonemes, chords, stems."""
