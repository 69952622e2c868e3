"""The examples do what they say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
SAID = {
    "callbacks.py": ["is here: ESTABLISHED", "IS ANYBODY THERE?"],
    "echo_streams.py": ["hello from a TCP in Python", "the connection is in TIME-WAIT"],
    "watch_states.py": [
        "client        CLOSED -> SYN-SENT     active open (3.10.1)",
        "client    FIN-WAIT-2 -> TIME-WAIT    fin (3.10.7.4 eighth)",
        "server      LAST-ACK -> CLOSED       ack of fin (3.10.7.4 fifth)",
    ],
}


@pytest.mark.parametrize("name", sorted(SAID))
def test_an_example_prints_what_it_promises(name: str) -> None:
    """Examples run as they stand, without root."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for line in SAID[name]:
        assert line in done.stdout
