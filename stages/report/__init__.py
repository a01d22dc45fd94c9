"""The page: what came out, to be heard, seen and read. One folder that opens from disk."""
