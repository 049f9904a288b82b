"""From a ready batch to its outcome: requests, in-flight windows, sequences, retries."""
