"""Floor 0: bytes to values and back. Nothing here knows a connection."""
