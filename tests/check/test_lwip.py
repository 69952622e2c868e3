"""`lastack check` on a TCP that others wrote: Debian's lwIP on a TUN device."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from namespaces import entered_namespace, why_not

from lastack.cli.main import lastack
from lastack.link.kernel_side import KernelSide

SERVER = Path(__file__).resolve().parents[2] / "bench" / "peers" / "lwip_server.c"
DEVICE = "lwip0"
SINK = "10.77.0.2:9"
FAULTS = {"no-ack", "fin-no-ack", "data-ack-above"}
"""lwIP 2.1.3 takes text and FIN of segments without ACK, and text whose ACK is of what it has never
sent (RFC 9293 3.10.7.4 fifth)."""


def built(folder: Path) -> Path:
    """The bench's lwIP peer, compiled; skips where it cannot be."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not Path("/usr/include/lwip/lwip/tcp.h").exists():
        pytest.skip("needs a C compiler and Debian's liblwip-dev")
    program = folder / "lwip_server"
    command = [compiler, "-I/usr/include/lwip", "-o", str(program), str(SERVER), "-llwip"]
    subprocess.run(command, check=True)
    return program


def answers(*more: str) -> list[dict[str, str]]:
    """What `lastack check` says of the service, a record for each probe."""
    words = ["check", "--json", "--i-own-this-host", "--closed-port", "99", SINK, "--rate", "1000"]
    done = CliRunner().invoke(lastack, [*words, *more])
    return [json.loads(line) for line in done.stdout.splitlines()]


def failures(lines: list[dict[str, str]]) -> dict[str, str]:
    return {line["probe"]: line["reason"] for line in lines if line["verdict"] == "failed"}


@pytest.mark.kernel
def test_the_faults_of_lwip_are_found_and_nothing_else(tmp_path: Path) -> None:
    """A service that reads and says nothing; what needs an answer or timestamps is skipped.

    A service that a busy machine kept from answering in time is asked again.
    """
    if reason := why_not():
        pytest.skip(reason)
    program = built(tmp_path)
    with entered_namespace():
        command = [str(program), DEVICE, SINK.partition(":")[0]]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None and server.stdout.readline() == "ready\n"
                with KernelSide(DEVICE, ["10.77.0.1/24"]):
                    lines = answers()
                    found = failures(lines)
                    for probe in found.keys() - FAULTS:
                        if probe not in failures(answers("--only", probe)):
                            del found[probe]
            finally:
                server.kill()
    assert set(found) == FAULTS, json.dumps(found, indent=1)
    assert sum(line["verdict"] == "passed" for line in lines) >= 60
