"""Record batch v2, the format that records have on the wire and in the log: encoding, compression, checksum.

Pure bytes work. When a batch is full, where it goes and what its sequence is are decided elsewhere.
"""
