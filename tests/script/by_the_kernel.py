"""Which scripts of Google's suite the machine's own kernel fails, as two programs see it: ours and,
where there is one, packetdrill itself. Both need root; each script has a network namespace.

The suite wants CUBIC. A machine may allow namespaces no default but its own: ours then tells every
socket; packetdrill, which cannot, is played a copy of the suite whose profile puts the controller
on the routes instead.
"""

import re
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from lastack.script import Outcome, Settings, Verdict
from lastack.script.apart import run_apart
from lastack.script.play import Against

DEFINED: Final[Mapping[str, str]] = {
    "TFO_COOKIE": "3021b9d889017eeb",
    "CODE": "host_unreachable",
    "CMSG_LEVEL_IP": "SOL_IP",
    "CMSG_TYPE_RECVERR": "IP_RECVERR",
}
"""What the suite's own runner (run_all.py) defines for IPv4."""
_CONTROLLER: Final = "net.ipv4.tcp_congestion_control"
_IN_PROFILE: Final = f"sysctl -q {_CONTROLLER}=cubic"
_ON_ROUTES: Final = (
    'for v in -4 -6; do ip $v route show dev tun0 | grep -v "proto kernel" | '
    "while read r; do ip $v route change $r dev tun0 congctl cubic; done; done"
)
_ADDRESSES: Final = (
    "--ip_version=ipv4",
    "--local_ip=192.168.0.1",
    "--gateway_ip=192.168.0.1",
    "--netmask_ip=255.255.0.0",
    "--remote_ip=192.0.2.1",
)
"""For scripts that name none; the cookies above are those of these addresses."""
_DISAGREE: Final = "\nThe two programs disagree about:\n"
_TRIES: Final = 3
"""A script counts as passed if it passes once: timing suffers from what else the machine does."""
_AT_ONCE: Final = 2
_PATIENCE: Final = 120


class Judged(NamedTuple):
    """A script that at least one of the programs does not pass; `theirs` is "" where it passes."""

    name: str
    ours: Outcome
    theirs: str


def judge(root: Path, packetdrill: Path | None) -> list[Judged]:
    """Play the suite against the kernel; return the scripts that do not pass everywhere."""
    paths = [str(path) for path in sorted(root.rglob("*.pkt"))]
    ours = _ours(paths)
    theirs = _theirs(root, paths, packetdrill) if packetdrill is not None else {}
    judged = [
        Judged(str(Path(path).relative_to(root).with_suffix("")), ours[path], theirs.get(path, ""))
        for path in paths
    ]
    return [one for one in judged if one.theirs or one.ours.verdict is not Verdict.PASSED]


def _ours(paths: list[str]) -> dict[str, Outcome]:
    settings = Settings(
        "linux",
        DEFINED,
        against=Against.KERNEL,
        allow_shell=True,
        sysctls={_CONTROLLER: "cubic"},
    )
    found: dict[str, Outcome] = {}
    left = paths
    for _ in range(_TRIES):
        found |= {one.path: one for one in run_apart(left, settings, _AT_ONCE)}
        left = [path for path in left if found[path].verdict is Verdict.FAILED]
    return found


def _theirs(root: Path, paths: Iterable[str], program: Path) -> dict[str, str]:
    """What packetdrill says of each script, "" of one that passes."""
    found: dict[str, str] = {}
    with TemporaryDirectory() as folder:
        copy = Path(folder)
        for beside in (root, root.parent / "common"):
            copytree(beside, copy / beside.name, symlinks=True)
        profile = copy / "common" / "defaults.sh"
        profile.write_text(profile.read_text().replace(_IN_PROFILE, _ON_ROUTES))
        left = list(paths)

        def play(path: str) -> str:
            return _packetdrill(program, copy / root.name / Path(path).relative_to(root))

        for _ in range(_TRIES):
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                found |= dict(zip(left, pool.map(play, left), strict=True))
            left = [path for path in left if found[path]]
    return found


def _packetdrill(program: Path, script: Path) -> str:
    text = script.read_text(encoding="utf-8", errors="replace")
    own = any(f"\n--{name}" in text for name in ("ip_version", "local_ip"))
    names = [f"-D{name}={value}" for name, value in DEFINED.items()]
    given = [*([] if own else _ADDRESSES), *names, script.name]
    command = ("unshare", "-n", str(program.resolve()), *given)
    try:
        done = subprocess.run(
            command, cwd=script.parent, capture_output=True, text=True, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired:
        return "does not end"
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.startswith(f"{script.name}:")]
    return (lines or done.stderr.splitlines() or ["fails"])[0].removeprefix(f"{script.name}:")


def kernel_section(root: Path, packetdrill: Path | None, release: str) -> str:
    """The part of the page about the kernel: the names, and where each script first differs."""
    judged = judge(root, packetdrill)
    failed = [one for one in judged if one.ours.verdict is Verdict.FAILED]
    both = [one for one in failed if one.theirs or packetdrill is None]
    one_only = [
        one
        for one in judged
        if packetdrill is not None and one not in both and one.ours.verdict is not Verdict.SKIPPED
    ]
    skipped = [one for one in judged if one.ours.verdict is Verdict.SKIPPED]
    second = " and so does packetdrill itself" if packetdrill is not None else ""
    parts = [f"## Google: what the kernel fails ({release})\n"]
    parts.append(f"`--against kernel` fails {len(both)}{second}:\n")
    parts += [f"- `{one.name}`:{_where(one.ours)}" for one in both]
    for title, some in ((_DISAGREE, one_only), ("\nNot played by ours:\n", skipped)):
        if some or title is _DISAGREE:
            parts.append(title)
            parts += [f"- `{one.name}`:{_where(one.ours)}{_said(one.theirs)}" for one in some]
    return "\n".join(parts) + "\n"


def failed_by_kernel(section: str) -> list[str]:
    """The scripts that such a part of the page says the kernel fails."""
    return re.findall(r"^- `([^`]+)`", section.partition(_DISAGREE)[0], re.MULTILINE)


def _where(outcome: Outcome) -> str:
    if outcome.verdict is Verdict.PASSED:
        return " passed by ours"
    words = f"{outcome.line} {outcome.reason}" if outcome.line else f" {outcome.reason}"
    if outcome.expected:
        words += f"; expected `{_short(outcome.expected)}`, got `{_short(outcome.actual)}`"
    return words


def _said(theirs: str) -> str:
    return f"; packetdrill: {_short(theirs)}" if theirs else ""


def _short(text: str) -> str:
    line = " ".join(text.replace("`", "'").split())
    return line if len(line) <= 90 else line[:89] + "…"
