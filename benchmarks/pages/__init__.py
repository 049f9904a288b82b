"""Pages and charts made from a kept run: `python -m benchmarks.pages`. Nothing is measured here."""
