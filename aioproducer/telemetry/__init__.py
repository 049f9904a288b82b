"""What a running producer tells of itself."""
