"""Captures and kernels: what others' connections do, in the same terms as our own."""

from lastack.observe.core.flow import Flow
from lastack.observe.core.verdicts import Handshake, Teardown, Verdict, verdict_on
from lastack.observe.reading import Observer, read

__all__ = ["Flow", "Handshake", "Observer", "Teardown", "Verdict", "read", "verdict_on"]
