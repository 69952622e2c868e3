"""Floor 3: worlds in virtual time. `pair` is the smallest of them: two hosts and a wire."""
