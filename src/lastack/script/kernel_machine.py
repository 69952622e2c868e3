"""The machine around the kernel: sysctls of the namespace, and a shell where that is allowed."""

import os
import subprocess
from pathlib import Path
from typing import Final

from lastack.script.commands import Commands
from lastack.script.symbols import Unknown
from lastack.script.verdict import Mismatch

_SYSCTLS: Final = Path("/proc/sys")
_CONTROLLER: Final = "net.ipv4.tcp_congestion_control"
_PATIENCE: Final = 60.0


class KernelMachine(Commands):
    """Obeys shell lines in the network namespace that we are in.

    Without `allow_shell` only those that set sysctls of that namespace (net.*): no program is run.
    With it they are handed to /bin/sh, as root, in the script's folder; PACKETDRILL_PID is the
    number of this process there, as the helpers of a public suite expect it.

    `controller` is a congestion controller that the machine allows no namespace to have for a
    default: then each socket is to be told, which root may always do. "" where none was asked for.
    """

    def __init__(self, path: str, allow_shell: bool) -> None:
        super().__init__(path)
        self.allow_shell = allow_shell
        self.controller = ""

    def obey(self, command: str) -> None:
        """Do what a shell line says."""
        if not self.allow_shell:
            super().obey(command)
            return
        before = _default_controller()
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                env={**os.environ, "PACKETDRILL_PID": str(os.getpid())},
                cwd=Path(self.path).resolve().parent,
                timeout=_PATIENCE,
                check=False,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except subprocess.TimeoutExpired:
            raise Mismatch("the command does not end", command) from None
        if done.returncode:
            raise Mismatch(f"the command ends with {done.returncode}", command, done.stdout.strip())
        if _default_controller() != before:
            self.controller = ""  # the command has had its way

    def set(self, name: str, value: str) -> None:
        if not name.startswith("net.") or "/" in name or ".." in name:
            raise Unknown(f"the sysctl {name}")
        file = _SYSCTLS.joinpath(*name.split("."))
        if not file.exists():
            raise Unknown(f"the sysctl {name}, which namespaces do not have of their own")
        try:
            file.write_text(value.strip("\"'"))
            if name == _CONTROLLER:
                self.controller = ""
        except PermissionError as error:
            if name != _CONTROLLER:
                raise Unknown(f"the sysctl {name}={value} ({error.strerror})") from None
            self.controller = value.strip("\"'")
        except OSError as error:
            raise Unknown(f"the sysctl {name}={value} ({error.strerror})") from None

    def _other(self, line: str) -> None:
        raise Unknown(f"the command {line.splitlines()[0]!r} without --allow-shell")


def _default_controller() -> str:
    try:
        return _SYSCTLS.joinpath(*_CONTROLLER.split(".")).read_text()
    except OSError:
        return ""
