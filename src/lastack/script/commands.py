"""Shell lines as far as they need no shell: those that set sysctls, by whatever program."""

import re
from abc import abstractmethod
from pathlib import Path
from typing import Final

from lastack.script.subject import Machine
from lastack.script.symbols import Unknown

_ASSIGNMENT: Final = re.compile(r"([a-z][a-z0-9_.]+)=(\"[^\"]*\"|'[^']*'|\S+)")
_SETTING: Final = re.compile(r"/proc/sys/([a-z0-9_./]+)=(\"[^\"]*\"|'[^']*'|\S+)")
_ASSOCIATION: Final = re.compile(r'add (\S+) (\S+) tcp \S+ -A tcp-md5 "([^"]*)"')
_PLAIN_DEVICE: Final = re.compile(
    r"tc qdisc (add|replace) dev tun0 root pfifo|tc qdisc del(ete)? dev tun0 root.*"
    r"|ethtool -K tun0 ((tso|gso|gro) off ?)+"
)
"""A queue without pacing, a device that divides nothing: what a scene has anyway."""


class Commands(Machine):
    """Reads the commands of a script, and leaves it to others what a sysctl does."""

    def __init__(self, path: str) -> None:
        self.path = path

    @abstractmethod
    def set(self, name: str, value: str) -> None:
        """Set a sysctl; raises Unknown when it cannot be done here."""

    def _forget_peers(self) -> None:
        """Forget what has been learnt of other hosts; one that is new has learnt nothing."""
        return

    def _other(self, line: str) -> None:
        """Obey a command that is none of the usual; raises Unknown when it cannot be done here."""
        raise Unknown(f"the command {line.splitlines()[0]!r}")

    def obey(self, command: str) -> None:
        """Do what a shell line says. Raises Unknown when it cannot be done here, Mismatch when
        the line checks something that is not so.
        """
        if "setkey" in command:
            self._security(_ASSOCIATION.findall(command))
            return
        for line in _lines(command):
            self._obey_one(line)

    def _security(self, associations: list[tuple[str, str, str]]) -> None:
        """Take FreeBSD's security associations (source, destination, secret); none forgets all."""
        raise Unknown("security associations")

    def _obey_one(self, line: str) -> None:
        if line.startswith("sysctl "):
            self._sysctl(line)
        elif line.endswith("defaults.sh"):
            self._profile(line)
        elif line.startswith("ip tcp_metrics flush"):
            self._forget_peers()
        elif "sysctl_restore" in line or line.startswith("nstat >"):
            return
        elif line.startswith("../") and "set_sysctls.py" in line:
            for name, value in _SETTING.findall(line):
                self.set(name.replace("/", "."), value.strip("\"'"))
        elif _PLAIN_DEVICE.fullmatch(line):
            return
        else:
            self._other(line)

    def _sysctl(self, line: str) -> None:
        found = _ASSIGNMENT.findall(line)
        if not found:
            raise Unknown(f"the command {line!r}")
        for name, value in found:
            self.set(name, value)

    def _profile(self, line: str) -> None:
        """A script of sysctls beside ours: take what it sets."""
        file = Path(self.path).parent / line.split()[-1]
        try:
            text = file.read_text(encoding="utf-8")
        except OSError:
            raise Unknown(f"the command {line!r}, as there is no {file}") from None
        text = re.sub(r"\$\(\((.*?)\)\)", lambda m: str(_product(m[1])), text)
        for inner in _lines(text):
            if inner.startswith("sysctl "):
                self._sysctl(inner)


def number_of(value: str) -> int:
    """Return the (first) number of a sysctl's value; raises Unknown."""
    try:
        return int(value.strip("\"'").split()[0], 0)
    except (ValueError, IndexError):
        raise Unknown(f"the value {value}") from None


def _lines(command: str) -> list[str]:
    """Return the lines of a command, comments and redirections taken off."""
    found: list[str] = []
    command = re.sub(r"\\\s*(\n|$)", " ", command).replace(";", "\n")
    for line in command.splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        line = re.sub(r"\s*\d?>\s*/dev/null|\s*2>&1", "", line).strip()
        if line:
            found.append(line)
    return found


def _product(text: str) -> int:
    result = 1
    for factor in text.split("*"):
        result *= number_of(factor)
    return result
