"""What the stages promise each other: records, shards, the ledger, tokens, tasks. Knows no torch and no stage."""
