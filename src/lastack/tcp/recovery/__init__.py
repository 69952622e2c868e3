"""Loss recovery: what is lost, and what to send again."""

from lastack.tcp.acked import Acked
from lastack.tcp.recovery.base import Losses, LossRecovery, Phase
from lastack.tcp.recovery.newreno import NewRenoRecovery
from lastack.tcp.recovery.prr import Reduction
from lastack.tcp.recovery.rack import SLACK, RackRecovery

__all__ = [
    "SLACK",
    "Acked",
    "LossRecovery",
    "Losses",
    "NewRenoRecovery",
    "Phase",
    "RackRecovery",
    "Reduction",
]
