"""Who leads what, and how to reach them: metadata, when to refresh it, one connection per broker, the bootstrap.

`Cluster` is the whole of it for the rest of the producer; it sends no records.
"""
