"""Loss recovery: what is lost, and what to send again."""

from lastack.tcp.recovery.base import Acked, Losses, LossRecovery, Phase
from lastack.tcp.recovery.newreno import NewRenoRecovery

__all__ = ["Acked", "LossRecovery", "Losses", "NewRenoRecovery", "Phase"]
