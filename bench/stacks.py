"""Who is measured: how each stack's server is started, and why one cannot be here."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from services import DEVICE, STACK_ADDRESS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build" / "bench"
SOURCE = ROOT / "src"
COMPILED = ROOT / "build" / "compiled"
REFERENCE = "veth"


@dataclass(frozen=True)
class Stack:
    """One stack under test. `absent`, where not "", says why it cannot be measured here."""

    name: str
    shape: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    absent: str = ""
    check_bytes: int = 64 << 20
    note: str = ""


def stacks(before: Path | None = None) -> list[Stack]:
    """All of them, the reference first; `before` is another tree of lastack, an older build say."""
    earlier = Stack("before", "tun", [], absent="needs --before TREE")
    if before is not None:
        earlier = _ours("before", "ours.py", before, "another tree, Connection level")
    return [
        Stack(
            REFERENCE,
            "veth",
            [sys.executable, str(HERE / "kernel_server.py")],
            note="the kernel's TCP, two kernels over a veth pair",
        ),
        _ours("ours", "ours.py", SOURCE, "interpreted, Connection level"),
        _ours("compiled", "ours.py", COMPILED, "compiled, Connection level"),
        _ours("streams", "ours_streams.py", SOURCE, "interpreted, asyncio streams"),
        _ours("streams-compiled", "ours_streams.py", COMPILED, "compiled, asyncio streams"),
        earlier,
        _lwip(),
        _pytcp(),
    ]


def _ours(name: str, program: str, tree: Path, note: str) -> Stack:
    absent = ""
    if not (tree / "lastack").is_dir():
        absent = "not built: make compiled"
    elif tree is COMPILED and not list(tree.rglob("*.so")):
        absent = "build/compiled holds no compiled module: make compiled"
    command = [sys.executable, str(HERE / program)]
    return Stack(name, "tun", command, {"PYTHONPATH": str(tree)}, absent, note=note)


def _lwip() -> Stack:
    """Debian's lwIP under a small server of ours, compiled here."""
    source = HERE / "peers" / "lwip_server.c"
    program = BUILD / "lwip_server"
    absent = ""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        absent = "no C compiler"
    elif not Path("/usr/include/lwip/lwip/tcp.h").exists():
        absent = "apt-get install liblwip-dev"
    elif not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        command = [
            compiler,
            "-O2",
            "-I/usr/include/lwip",
            "-o",
            str(program),
            str(source),
            "-llwip",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            absent = f"does not compile: {done.stderr.strip().splitlines()[0]}"
    command = [str(program), DEVICE, STACK_ADDRESS]
    return Stack("lwip", "tun", command, absent=absent, note="lwIP 2.1 (C), raw API")


def _pytcp() -> Stack:
    """PyTCP from PyPI (pmd-pytcp), in this interpreter or in one of its own."""
    python = os.environ.get("LASTACK_BENCH_PYTCP", "")
    if not python:
        own = BUILD / "pytcp" / "bin" / "python"
        python = str(own) if own.exists() else sys.executable
    probe = [python, "-c", "import pmd_pytcp.socket"]
    found = subprocess.run(probe, capture_output=True, check=False).returncode == 0
    return Stack(
        "pytcp",
        "tun",
        [python, str(HERE / "peers" / "pytcp_server.py")],
        absent="" if found else "python bench/run.py --install-peers",
        check_bytes=1 << 20,
        note="PyTCP (pmd-pytcp), asyncio",
    )


def install_peers() -> None:
    """Put PyTCP into a virtual environment of its own under build/bench."""
    home = BUILD / "pytcp"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    subprocess.run([str(home / "bin" / "pip"), "install", "-q", "pmd-pytcp"], check=True)
