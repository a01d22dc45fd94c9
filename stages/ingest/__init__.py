"""Songs and lyrics as people keep them -> the catalogue."""
