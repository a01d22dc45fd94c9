"""Make songs: the eight tasks of the paper's Table 2, from the command line, from Python, and on the test split."""
