"""The inner loop of the observer: from the octets of a capture to flows. Compiled."""
