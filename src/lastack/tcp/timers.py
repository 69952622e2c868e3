"""The timers of one connection: a deadline each, nothing more. `timeouts` knows what they do."""

from enum import IntEnum

from mypy_extensions import mypyc_attr

from lastack.units import NEVER


class Timer(IntEnum):
    """When to ..."""

    RETRANSMIT = 0
    """... send the oldest unacknowledged octets again (RFC 6298)."""
    PERSIST = 1
    """... probe a window that is closed or too small (RFC 9293 3.8.6.1)."""
    DELAYED_ACK = 2
    """... acknowledge what has waited long enough (RFC 9293 3.8.6.3)."""
    KEEPALIVE = 3
    """... ask a silent peer whether it is there (RFC 9293 3.8.4)."""
    USER_TIMEOUT = 4
    """... give up because the user said so (RFC 9293 3.9.1.8, RFC 5482)."""
    CORK = 5
    """... send a corked partial segment after all."""
    TIME_WAIT = 6
    """... forget the connection: 2MSL is over (RFC 9293 3.6.1)."""
    FIN_WAIT_2 = 7
    """... stop waiting for the FIN of a peer whose user, here, has gone."""
    PACING = 8
    """... send what was held back so that it does not leave in a burst."""
    LOSS_PROBE = 9
    """... probe for the loss of the last segments (RFC 8985 7)."""
    REORDERING = 10
    """... take for lost what has not come in the time that reordering may take (RFC 8985 6)."""


@mypyc_attr(acyclic=True)
class Timers:
    """Deadlines in nanoseconds, NEVER where a timer does not run."""

    retransmit: int = NEVER
    persist: int = NEVER
    delayed_ack: int = NEVER
    keepalive: int = NEVER
    user_timeout: int = NEVER
    cork: int = NEVER
    time_wait: int = NEVER
    fin_wait_2: int = NEVER
    pacing: int = NEVER
    loss_probe: int = NEVER
    reordering: int = NEVER

    def clear(self) -> None:
        """Stop every timer."""
        self.retransmit = NEVER
        self.persist = NEVER
        self.delayed_ack = NEVER
        self.keepalive = NEVER
        self.user_timeout = NEVER
        self.cork = NEVER
        self.time_wait = NEVER
        self.fin_wait_2 = NEVER
        self.pacing = NEVER
        self.loss_probe = NEVER
        self.reordering = NEVER

    def next_deadline(self) -> int:
        """Return the earliest deadline, NEVER when no timer runs."""
        first = self.retransmit
        if self.persist < first:
            first = self.persist
        if self.delayed_ack < first:
            first = self.delayed_ack
        if self.keepalive < first:
            first = self.keepalive
        if self.user_timeout < first:
            first = self.user_timeout
        if self.cork < first:
            first = self.cork
        if self.time_wait < first:
            first = self.time_wait
        if self.fin_wait_2 < first:
            first = self.fin_wait_2
        if self.pacing < first:
            first = self.pacing
        if self.loss_probe < first:
            first = self.loss_probe
        if self.reordering < first:
            first = self.reordering
        return first

    def running(self, now: int) -> dict[str, int]:
        """Return the time left of each timer that runs, by name."""
        deadlines = {timer.name.lower(): self.deadline(timer) for timer in Timer}
        return {name: at - now for name, at in deadlines.items() if at < NEVER}

    def deadline(self, timer: Timer) -> int:
        """Return when this timer goes off."""
        return (
            self.retransmit,
            self.persist,
            self.delayed_ack,
            self.keepalive,
            self.user_timeout,
            self.cork,
            self.time_wait,
            self.fin_wait_2,
            self.pacing,
            self.loss_probe,
            self.reordering,
        )[timer]
