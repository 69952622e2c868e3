"""One row for each change of state, in columns: what a table of all transitions is made of."""

from librt.vecs import append, vec
from mypy_extensions import i64

from lastack.observe.core.ends import Evidence
from lastack.observe.core.flow import Flow


class Steps:
    """Columns of equal length, a row for each change of either end, refuted ones too.

    `end` is 0 for a and 1 for b, `before` and `after` are sets of states, `cause` and `evidence`
    numbers of Cause and Evidence.
    """

    connection: vec[i64]
    end: vec[i64]
    time: vec[i64]
    packet: vec[i64]
    before: vec[i64]
    after: vec[i64]
    cause: vec[i64]
    evidence: vec[i64]
    proof: vec[i64]

    def __init__(self) -> None:
        self.connection = vec[i64]()
        self.end = vec[i64]()
        self.time = vec[i64]()
        self.packet = vec[i64]()
        self.before = vec[i64]()
        self.after = vec[i64]()
        self.cause = vec[i64]()
        self.evidence = vec[i64]()
        self.proof = vec[i64]()

    def __len__(self) -> int:
        return len(self.packet)

    def columns(self) -> dict[str, vec[i64]]:
        """Return the columns by name."""
        return {
            "connection": self.connection,
            "end": self.end,
            "time_ns": self.time,
            "packet": self.packet,
            "before": self.before,
            "after": self.after,
            "cause": self.cause,
            "evidence": self.evidence,
            "proof": self.proof,
        }

    def add(self, flow: Flow) -> None:
        """Put all changes of a connection at the end, a's before b's."""
        end: i64 = 0
        for changes in (flow.a.changes, flow.b.changes):
            for change in changes:
                if change.before == change.after and change.evidence is not Evidence.REFUTED:
                    continue
                self.connection = append(self.connection, i64(flow.number))
                self.end = append(self.end, end)
                self.time = append(self.time, change.time)
                self.packet = append(self.packet, change.packet)
                self.before = append(self.before, i64(change.before))
                self.after = append(self.after, i64(change.after))
                self.cause = append(self.cause, i64(change.cause))
                self.evidence = append(self.evidence, i64(change.evidence))
                self.proof = append(self.proof, change.proof)
            end = 1
