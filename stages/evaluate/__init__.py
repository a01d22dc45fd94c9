"""Measure everything on the test split: `results/metrics.json` (keys: DESIGN.md; meanings: docs and the page)."""
