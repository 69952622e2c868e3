"""Floor 1: the machine of RFC 9293, without a clock, a socket or a thread."""
