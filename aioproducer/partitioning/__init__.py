"""Which partition a record goes to: by its key, by the user's own partitioner, or by the sticky one.

Pure decisions. What partitions there are and how loaded they are is told from outside, and so is every random number.
"""
