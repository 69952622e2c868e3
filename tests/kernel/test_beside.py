"""The side-by-side with the kernel: the octets come intact over a lossy path, whoever sends."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from namespaces import why_not

import lastack

BENCH = Path(__file__).resolve().parents[2] / "bench" / "beside.py"
TREE = Path(lastack.__file__).resolve().parents[1]


def test_the_kernel_and_we_carry_the_same_octets_over_a_lossy_path() -> None:
    """Each octet is checked by its hash at the receiver; no namespace is left behind."""
    reason = why_not() or ("" if shutil.which("ip") else "needs ip (iproute2)")
    if reason:
        pytest.skip(reason)
    options = ("--congestion", "reno", "--losses", "5", "--delays", "2", "--rounds", "1")
    started = subprocess.Popen(
        [sys.executable, str(BENCH), *options, "--seconds", "0.2", "--json", "--tree", str(TREE)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    out, err = started.communicate(timeout=150)
    assert started.returncode == 0, err + out
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["contestant"] for record in records] == ["linux", "ours", "to us"]
    for record in records:
        assert record["schema"] == 1 and record["type"] == "transfer" and record["value"] > 0
        assert record["path"]["there"]["lost"] > 0 and record["resent"] > 0
    assert f"lastack-beside-{started.pid}" not in " ".join(os.listdir("/run/netns"))
