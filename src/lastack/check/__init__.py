"""The wire-only part of the grid, played on any stack that answers on an address of the user's own.

`probes` says what is sent and what must follow, `play` plays it over a `carrier`, `report` sorts
the verdicts by requirement, `allowed` says which addresses may be probed.
"""

from lastack.check.allowed import why_not_allowed
from lastack.check.carrier import Carrier, RawCarrier, TunCarrier
from lastack.check.play import Verdict, play
from lastack.check.probes import PROBES, Probe
from lastack.check.report import by_requirement, junit

__all__ = [
    "PROBES",
    "Carrier",
    "Probe",
    "RawCarrier",
    "TunCarrier",
    "Verdict",
    "by_requirement",
    "junit",
    "play",
    "why_not_allowed",
]
