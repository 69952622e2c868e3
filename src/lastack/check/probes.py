"""What `check` sends and what must follow, read from probes.txt: nothing of it needs the user.

A step that begins with `<` is a segment of ours, in packetdrill's notation. Numbers are relative to
both initial sequence numbers; what the service had said before the probe began is taken off, so
`ack 1` is what it sends next. `{edge}` is the right edge of its window, `{last}` the last octet in
it, `{far}` (to `{far_end}`) well beyond, `{said}` behind all that it has sent. `reserved` sets the
reserved bits, `corrupt` spoils the checksum.

A step that begins with `>` says what must come:

- `ack N`: within half a second a segment that acknowledges N (data may ride on it);
- `ack N ecr T`: the same, and it echoes the timestamp T;
- `syn-ack`, `syn-ack mss`: a SYN-ACK for our SYN, the latter with an MSS option;
- `syn-ack again`: the same once more, unasked, within seconds;
- `reset N`: a reset whose number is N; `reset ack N`: one with SEQ 0 that acknowledges N;
- `silence`: neither a reset nor a bare ACK;
- `alive N`: an octet sent as number N is acknowledged; `gone N`: a segment is answered by a reset;
- `says`: the service answers with text (where it does not, the probe is skipped); `says again`: the
  same text comes again; `asks`: it asks about the window that we have closed.
"""

from importlib.resources import files
from typing import Final, NamedTuple

CLOSED: Final = "CLOSED"
LISTEN: Final = "LISTEN"
SYN_RECEIVED: Final = "SYN-RECEIVED"
ESTABLISHED: Final = "ESTABLISHED"
ESTABLISHED_WITH_TIMESTAMPS: Final = "ESTABLISHED with timestamps"

WAYS_IN: Final[dict[str, tuple[str, ...]]] = {
    CLOSED: (),
    LISTEN: (),
    SYN_RECEIVED: ("< S 0:0(0) win 5000 <mss 1000>", "> syn-ack"),
    ESTABLISHED: (
        "< S 0:0(0) win 5000 <mss 1000>",
        "> syn-ack",
        "< . 1:1(0) ack 1 win 5000",
    ),
    ESTABLISHED_WITH_TIMESTAMPS: (
        "< S 0:0(0) win 5000 <mss 1000,nop,nop,TS val 1000 ecr 0>",
        "> syn-ack",
        "< . 1:1(0) ack 1 win 5000 <nop,nop,TS val 1000 ecr 0>",
    ),
}


class Probe(NamedTuple):
    """One thing to find out: in which state, by which steps, by which requirement."""

    name: str
    state: str
    steps: tuple[str, ...]
    requirement: str
    """A requirement id of RFC 9293 (MUST-3), or the section (RFC 9293 when it names no other)."""
    sentence: str


def read_probes(text: str) -> tuple[Probe, ...]:
    """Return the probes that a text in the form of probes.txt describes."""
    found: list[Probe] = []
    state = ""
    for line in text.splitlines():
        if line.startswith("state "):
            state = line.removeprefix("state ")
        elif line and not line.startswith("#"):
            name, requirement, steps, sentence = [field.strip() for field in line.split(" | ")]
            found.append(Probe(name, state, tuple(steps.split("; ")), requirement, sentence))
    return tuple(found)


PROBES: Final = read_probes(
    files("lastack.check").joinpath("probes.txt").read_text(encoding="utf-8")
)
