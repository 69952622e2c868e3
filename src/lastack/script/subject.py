"""What a script is played against: a scene, a maker of system calls, and a machine around.

One small interface for three subjects: a stack of ours in virtual time, the same on a real device
and clock, and the kernel.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from lastack.script.model import Call
from lastack.script.scene import Scene
from lastack.script.symbols import Unknown
from lastack.tcp.states import State

Attempt = Callable[[], int]
"""A system call about to be made: returns its result, raises an OSError, or raises `Wait`."""


class Caller(ABC):
    """Makes the system calls of a script.

    `on_open` is called with the local and remote ports when a connection is opened actively, with
    (port, 0) when a socket begins to listen. `streams` has what was written, by (local, remote)
    port.
    """

    def __init__(self) -> None:
        self.on_open: Callable[[int, int], None] = _nobody_listens
        self.streams: dict[tuple[int, int], bytearray] = {}

    @abstractmethod
    def make(self, call: Call) -> Attempt:
        """Return the attempt for a call; raises Unknown for what cannot be done here.

        An attempt that raises `Wait` is made again whenever something has changed.
        """

    def facts(self, local_port: int, remote_port: int) -> Mapping[str, int]:
        """Return the `tcpi_*` values, as TCP_INFO has them, of the socket that a script is about.

        That is the one with this connection, or the last that was made. Raises Unknown where they
        cannot be had.
        """
        raise Unknown("snippets of code")

    def state_of(self, local_port: int, remote_port: int) -> State | None:
        """Return the state of a connection, None where it cannot be seen."""
        return None

    def rule(self) -> str:
        """Return the last row of the state table that was followed, with its section, or ""."""
        return ""

    def close(self) -> None:
        """Give back what is still open."""
        return


class Machine(ABC):
    """Does what the lines between backticks say."""

    @abstractmethod
    def obey(self, command: str) -> None:
        """Do it. Raises Unknown when it cannot be done here, Mismatch when it fails."""

    @abstractmethod
    def set(self, name: str, value: str) -> None:
        """Set a sysctl. Raises Unknown when it cannot be done here."""


class Subject:
    """What a script is played against."""

    def __init__(self, scene: Scene, calls: Caller, machine: Machine) -> None:
        self.scene = scene
        self.calls = calls
        self.machine = machine

    def close(self) -> None:
        """Give back what the subject has opened."""
        self.calls.close()
        self.scene.close()


def _nobody_listens(local: int, remote: int) -> None:
    return
