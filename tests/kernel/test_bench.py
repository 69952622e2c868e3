"""The bench itself: what it prints, that it measures whole octets, and that it cleans up."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from namespaces import why_not

BENCH = Path(__file__).resolve().parents[2] / "bench" / "run.py"


def bench(*options: str) -> tuple[int, str, str, int]:
    """Run the bench; return its exit code, what it printed, and its process number."""
    reason = why_not() or ("" if shutil.which("ip") else "needs ip (iproute2)")
    if reason:
        pytest.skip(reason)
    started = subprocess.Popen(
        [sys.executable, str(BENCH), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    out, err = started.communicate(timeout=100)
    return started.returncode, out, err, started.pid


def test_a_short_run_measures_the_kernel_and_us_and_leaves_nothing_behind() -> None:
    """One JSON object a sample, every workload that moves octets; the namespaces are gone."""
    workloads = "bulk_in,bulk_out,request_1,request_64,connect_32,check"
    code, out, err, number = bench(
        *("--seconds", "0.2", "--rounds", "1", "--patience", "0", "--json", "--quiet"),
        *("--stacks", "veth,ours", "--only", workloads),
    )
    assert code == 0, err + out
    records = [json.loads(line) for line in out.splitlines()]
    samples = [record for record in records if record["type"] == "sample"]
    assert [(s["workload"], s["stack"]) for s in samples] == [
        (workload, stack) for workload in workloads.split(",") for stack in ("veth", "ours")
    ]
    assert all(sample["schema"] == 1 and sample["value"] > 0 for sample in samples)
    assert records[-1]["type"] == "bench" and records[-1]["rounds"] == 1
    assert f"lastack-bench-{number}" not in " ".join(os.listdir("/run/netns"))


def test_what_cannot_be_measured_is_named_and_the_run_fails() -> None:
    """A congestion control that the kernel does not have; a workload that nobody knows."""
    short = ("--seconds", "0.1", "--rounds", "1", "--patience", "0", "--stacks", "veth")
    code, out, _, _ = bench(*short, "--only", "bulk_in", "--congestion", "nosuch", "--json")
    assert code == 1 and "nosuch" in json.loads(out.splitlines()[0])["error"]
    code, _, err, _ = bench(*short, "--only", "bulk_sideways")
    assert code == 2 and "bulk_sideways" in err
