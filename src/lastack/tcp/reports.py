"""What an ICMP error said, in full, for a user who has asked for it (IP_RECVERR)."""

from typing import Final

MOST_REPORTS: Final = 16
"""Reports that wait for the user; more are lost."""


class ErrorReport:
    """`number` is the errno; `kind`, `code` and `mtu` are ICMP's; `offender` is who has sent it."""

    number: int
    version: int
    kind: int
    code: int
    mtu: int
    offender: bytes

    def __init__(
        self, number: int, version: int, kind: int, code: int, mtu: int, offender: bytes
    ) -> None:
        self.number = number
        self.version = version
        self.kind = kind
        self.code = code
        self.mtu = mtu
        self.offender = offender
