"""Connections, transitions and packets as flat records: what JSON, CSV and Parquet have in common.

`docs/reading.md` says what each column means.
"""

from collections.abc import Iterator
from typing import Final

from lastack.observe.connection import Connection, Side, Transition, states_text
from lastack.observe.core.groups import Group
from lastack.observe.core.violations import Violation
from lastack.observe.second import Seen
from lastack.observe.summary import Summary
from lastack.tcp.states import State

Record = dict[str, object]

CONNECTIONS: Final[dict[str, str]] = {
    "capture": "string",
    "connection": "int64",
    "a": "string",
    "b": "string",
    "states_a": "string",
    "states_b": "string",
    "evidence_a": "string",
    "evidence_b": "string",
    "handshake": "string",
    "teardown": "string",
    "by": "string",
    "in_state": "string",
    "since_ns": "int64",
    "retries": "int32",
    "reused": "bool",
    "rejected_resets": "int32",
    "evicted": "bool",
    "first_ns": "int64",
    "last_ns": "int64",
    "handshake_ns": "int64",
    "unseen": "int32",
    "also": "string",
    "zeek_state": "string",
    "zeek_history": "string",
    **{
        f"{name}_{end}": kind
        for name, kind in (
            ("packets", "int64"),
            ("octets", "int64"),
            ("resent", "int32"),
            ("resets", "int32"),
            ("rtt_least_ns", "int64"),
            ("rtt_mean_ns", "int64"),
            ("rtt_most_ns", "int64"),
            ("broken", "string"),
        )
        for end in "ab"
    },
}
"""The columns of `connections`, and their Arrow types."""

TRANSITIONS: Final[dict[str, str]] = {
    "capture": "string",
    "connection": "int64",
    "end": "string",
    "time_ns": "int64",
    "packet": "int64",
    "before": "string",
    "after": "string",
    "cause": "string",
    "section": "string",
    "evidence": "string",
    "proof": "int64",
}
PACKETS: Final[dict[str, str]] = {
    "packet": "int64",
    "time_ns": "int64",
    "connection": "int32",
    "from_a": "bool",
    "flags": "uint8",
    "seq": "uint32",
    "ack": "uint32",
    "window": "uint16",
    "length": "uint32",
    "remarks": "uint16",
    "state_a": "uint16",
    "state_b": "uint16",
}
"""The columns of `packets`; here states and remarks are sets of bits."""


def connection_row(one: Connection) -> Record:
    """Return a connection as a flat record, with the columns of CONNECTIONS."""
    record: Record = {
        "capture": one.capture,
        "connection": one.number,
        "a": one.a.endpoint,
        "b": one.b.endpoint,
        "states_a": states_text(one.a.states),
        "states_b": states_text(one.b.states),
        "evidence_a": one.a.evidence,
        "evidence_b": one.b.evidence,
        "handshake": one.handshake,
        "teardown": one.teardown,
        "by": one.by,
        "in_state": states_text(one.in_state) if one.in_state else "",
        "since_ns": one.since or None,
        "retries": one.retries,
        "reused": one.reused,
        "rejected_resets": one.rejected_resets,
        "evicted": one.evicted,
        "first_ns": one.first,
        "last_ns": one.last,
        "handshake_ns": one.handshake_time or None,
        "unseen": one.unseen,
        "also": ", ".join(one.also),
        "zeek_state": one.zeek_state,
        "zeek_history": one.zeek_history,
    }
    for end, side in (("a", one.a), ("b", one.b)):
        record.update(_side_columns(end, side))
    return {name: record[name] for name in CONNECTIONS}


def _side_columns(end: str, side: Side) -> Record:
    return {
        f"packets_{end}": side.packets,
        f"octets_{end}": side.octets,
        f"resent_{end}": side.resent,
        f"resets_{end}": side.resets,
        f"rtt_least_ns_{end}": side.rtt_least,
        f"rtt_mean_ns_{end}": side.rtt_mean,
        f"rtt_most_ns_{end}": side.rtt_most,
        f"broken_{end}": ", ".join(rule.cited for rule in side.broken),
    }


def transition_rows(one: Connection) -> Iterator[Record]:
    """Return a connection's changes of state as flat records, with the columns of TRANSITIONS."""
    for step in one.transitions:
        yield {"capture": one.capture, "connection": one.number, **_step_columns(step)}


def _step_columns(step: Transition) -> Record:
    return {
        "end": step.end,
        "time_ns": step.time,
        "packet": step.packet,
        "before": states_text(step.before),
        "after": states_text(step.after),
        "cause": step.cause,
        "section": step.section,
        "evidence": step.evidence,
        "proof": step.proof,
    }


def violation_row(capture: str, one: Violation) -> Record:
    """Return a broken rule as a record: by whom, with which packet, which rule, and its section."""
    return {
        "capture": capture,
        "connection": one.connection,
        "end": "a" if one.by_a else "b",
        "packet": int(one.packet),
        "rule": str(one.rule),
        "section": one.rule.section,
    }


def group_row(capture: str, group: Group) -> Record:
    """Return a group as a record; the course of a backlog is a list of [time, how many]."""
    return {
        "capture": capture,
        "group": group.kind,
        "place": group.place,
        "count": group.count,
        "since_ns": group.since,
        "until_ns": group.until,
        "peers": group.peers,
        "over_time": [list(step) for step in group.over_time],
    }


def summary_row(summary: Summary) -> Record:
    """Return what a capture amounts to as a record."""
    return {
        "capture": summary.capture,
        "packets": summary.packets,
        "segments": summary.segments,
        "skipped": dict(summary.skipped),
        "connections": summary.connections,
        "matched": summary.matched,
        "evicted": summary.evicted,
        "octets": int(summary.octets),
        "first_ns": summary.first or None,
        "last_ns": summary.last or None,
        "handshakes": dict(summary.handshakes),
        "teardowns": dict(summary.teardowns),
        "troubles": [
            {
                "kind": kind,
                "count": count,
                "connection": summary.examples[kind],
                "places": dict(summary.places[kind].most_common(10)),
            }
            for kind, count in summary.troubles.most_common()
        ],
        "problem": summary.problem,
    }


def packet_row(seen: Seen) -> Record:
    """Return a segment as a record with words: states, remarks."""
    return {
        "packet": seen.packet,
        "time_ns": seen.time,
        "connection": seen.connection,
        "from": "a" if seen.from_a else "b",
        "flags": seen.flags,
        "seq": seen.seq,
        "ack": seen.ack,
        "window": seen.window,
        "length": seen.length,
        "remarks": str(seen.remarks).split(", ") if seen.remarks else [],
        "state_a": states_text(seen.states_a),
        "state_b": states_text(seen.states_b),
    }


def extras(one: Connection) -> Record:
    """Return what only JSON has of a connection: counts by remark, nanoseconds in each state."""
    return {
        f"{name}_{end}": value
        for end, side in (("a", one.a), ("b", one.b))
        for name, value in (("remarks", side.remarks), ("spent_ns", _spent(side.spent)))
    }


def _spent(spent: dict[State, int]) -> dict[str, int]:
    return {str(state): time for state, time in spent.items()}
