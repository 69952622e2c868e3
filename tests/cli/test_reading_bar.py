"""What is told while a long capture is read stays out of what is printed, on one terminal, too."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from tests.observe.scenarios import SCENES

from lastack.wire.capture import CaptureWriter

WIDE = 2000
_PARTS = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


def screen(written: str) -> list[str]:
    """What a terminal shows after this, where no line is longer than it is wide."""
    lines, row, column = [""], 0, 0
    for number, command, move, text in _PARTS.findall(written):
        if move == "\r":
            column = 0
        elif move == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif command == "A":
            row -= int(number or 1)
        elif command == "K":
            assert number == "2"
            lines[row] = ""
        elif text:
            lines[row] = lines[row].ljust(column)[:column] + text + lines[row][column + len(text) :]
            column += len(text)
    return lines


def on_a_terminal(*arguments: str) -> str:
    """Run `lastack read` with stdout and stderr on one terminal and return what it writes."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDE, 0, 0))
    command = [sys.executable, "-m", "lastack", "read", *arguments]
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
    environment |= {"TERM": "xterm", "LC_ALL": "C.UTF-8"}
    child = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    written = b""
    while True:
        try:
            some = os.read(ours, 65536)
        except OSError:  # the terminal is closed
            break
        if not some:
            break
        written += some
    os.close(ours)
    child.wait()
    return written.decode()


@pytest.fixture(scope="module")
def long_capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A connection, much that is not TCP, and another one later on: two things to print."""
    path = tmp_path_factory.mktemp("captures") / "long.pcap"
    packets = list(SCENES["normal"].play().octets("left"))
    with path.open("wb") as file:
        writer = CaptureWriter(file)
        for late in (0, 10**11):
            for time, data in packets:
                writer.write(data, late + time)
            for _ in range(300):
                writer.write(b"\x45" + bytes(60_000), late + 5 * 10**10)
        writer.flush()
        file.truncate(file.tell() - 5)
    assert path.stat().st_size > 32 << 20
    return path


@pytest.mark.parametrize("form", ["--csv", "--json"])
def test_data_and_the_bar_never_share_a_line(long_capture: Path, form: str) -> None:
    """What is left on the screen is the data, and what is wrong with the file."""
    written = on_a_terminal(str(long_capture), form)
    assert "\u2501" in written
    lines = [line.rstrip() for line in screen(written) if line.strip()]
    piped = subprocess.run(
        [sys.executable, "-m", "lastack", "read", str(long_capture), form],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert lines == [*piped.stdout.splitlines(), *piped.stderr.splitlines()]
