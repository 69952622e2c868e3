"""What `lastack serve` and `lastack fetch` do with a stream: HTTP files, echo, discard, chargen."""
