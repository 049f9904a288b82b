"""Where the time of a record goes: `python -m benchmarks.profile`, or `make profile`."""
