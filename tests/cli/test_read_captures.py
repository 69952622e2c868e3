"""`lastack read` on captures that others made: right counts in every form (LASTACK_CAPTURES)."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from lastack.cli.read import read

FOLDER = os.environ.get("LASTACK_CAPTURES", "")
ENTRIES: list[dict[str, Any]] = (
    json.loads((Path(FOLDER) / "INDEX.json").read_text(encoding="utf-8")) if FOLDER else []
)
ONE_CONNECTION = "suricata-verify__tcp-split-handshake-02-5whs__split-handshake-5whs.pcap"
"""A SYN answers the SYN: Wireshark begins another stream there (docs/observer.md)."""

pytestmark = pytest.mark.skipif(
    not FOLDER, reason="LASTACK_CAPTURES names no folder of captures that others made"
)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Read in this process; return what was printed, all having gone well."""
    assert read.main(list(arguments), standalone_mode=False) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["name"])
def test_every_form_has_all_segments_and_connections(
    entry: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As many as tshark finds; summary, table, JSON, CSV and Parquet agree with each other."""
    path = str(Path(FOLDER, entry["name"]))
    segments = entry["tcp_packets"] or 0
    connections = 1 if entry["name"] == ONE_CONNECTION else len(entry["streams"] or [])

    text = printed(capsys, path, "--lang", "en")
    assert f"{segments:,} segment" in text.splitlines()[0]
    assert (f"{connections:,} connection" in text.splitlines()[0]) == (connections > 0)
    assert max(map(cell_len, text.splitlines())) <= 100
    assert printed(capsys, path, "--ascii", "--lang", "en").isascii()

    lines = [json.loads(line) for line in printed(capsys, path, "--json", "--packets").splitlines()]
    kinds = [line["type"] for line in lines]
    (summary,) = (line for line in lines if line["type"] == "summary")
    assert kinds.count("packet") == summary["segments"] == segments
    assert kinds.count("connection") == summary["connections"] == connections
    assert summary["packets"] == segments + sum(summary["skipped"].values())
    records = [line for line in lines if line["type"] == "connection"]
    assert sum(one["packets_a"] + one["packets_b"] for one in records) == segments

    rows = list(csv.DictReader(io.StringIO(printed(capsys, path, "--csv"))))
    assert [int(row["connection"]) for row in rows] == [one["connection"] for one in records]

    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `read` is not installed")
    printed(capsys, path, "--parquet", str(tmp_path))
    counts = {
        folder.name: sum(parquet.read_metadata(file).num_rows for file in folder.iterdir())
        for folder in tmp_path.iterdir()
    }
    assert counts == {
        "packets": segments,
        "connections": connections,
        "transitions": kinds.count("transition"),
    }


def test_all_of_them_at_once_are_read_by_several_processes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The folder gives what its captures give, in order; the index in it is none."""
    arguments = [FOLDER, "--lang", "en", "--most", "1"]
    assert read.main([*arguments, "--jobs", "1"], standalone_mode=False) == 0
    one, err = capsys.readouterr()
    assert read.main([*arguments, "--jobs", "2"], standalone_mode=False) == 0
    two, _ = capsys.readouterr()
    assert one == two and one.count("segment") >= len(ENTRIES)
    assert "INDEX.json" in err and err.count("\n") == 1
