"""Proportional rate reduction: how much recovery may send with each ACK (RFC 6937, RFC 9937).

The window comes down to ssthresh in step with what arrives, so that neither a pause nor a burst
follows a loss. Below ssthresh it grows by one segment more than has arrived while SND.UNA advances
and no more losses show (the safeACK of RFC 9937), else by no more than has arrived.
"""

from mypy_extensions import mypyc_attr


@mypyc_attr(acyclic=True)
class Reduction:
    """From `flight` octets down to `target`; `window` is what may be in flight now."""

    target: int
    flight: int
    delivered: int
    transmitted: int
    """What the connection had sent in all when recovery began."""
    window: int

    def __init__(self, target: int, flight: int, transmitted: int) -> None:
        self.target = target
        self.flight = flight if flight > 0 else 1
        self.delivered = 0
        self.transmitted = transmitted
        self.window = target

    def on_ack(
        self, delivered: int, in_flight: int, transmitted: int, mss: int, safe: bool
    ) -> None:
        """Say what may go now that so much has arrived; `in_flight` is what is still out."""
        self.delivered += delivered
        out = transmitted - self.transmitted
        if in_flight > self.target:
            share = -(-self.delivered * self.target // self.flight)
            count = -(-share // mss) * mss - out
        else:
            count = max(self.delivered - out, delivered)
            if safe:
                count += mss
            count = min(count, self.target - in_flight)
        if out == 0 and count < mss:
            count = mss  # one retransmission goes out when recovery begins
        self.window = in_flight + max(count, 0)
