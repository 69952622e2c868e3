"""The transition table against RFC 9293, read once more and written down section by section."""

import pytest

from lastack.tcp.states import (
    LIFE,
    ROWS,
    TRANSITIONS,
    Cause,
    Row,
    State,
    linux_name,
    state_named,
    transition,
)

# What the text says, by section: state, cause -> state. Several states in one line share the rule.
# What the text says, by section: state, cause -> state. Several states in one line share a rule.
EXPECTED = """
3.10.1          CLOSED        PASSIVE_OPEN       LISTEN
3.10.1          CLOSED        ACTIVE_OPEN        SYN-SENT
3.10.1          LISTEN        ACTIVE_OPEN        SYN-SENT

3.10.4          LISTEN        CLOSE              CLOSED
3.10.4          SYN-SENT      CLOSE              CLOSED
3.10.4          SYN-RECEIVED  CLOSE              FIN-WAIT-1
3.10.4          ESTABLISHED   CLOSE              FIN-WAIT-1
3.10.4          CLOSE-WAIT    CLOSE              LAST-ACK

3.10.5          LISTEN SYN-SENT SYN-RECEIVED ESTABLISHED    ABORT  CLOSED
3.10.5          FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT            ABORT  CLOSED
3.10.5          CLOSING LAST-ACK TIME-WAIT                  ABORT  CLOSED

3.10.7.2 third  LISTEN        SYN                SYN-RECEIVED
3.10.7.3 second SYN-SENT      RESET              CLOSED
3.10.7.3 fourth SYN-SENT      SYN_ACK            ESTABLISHED
3.10.7.3 fourth SYN-SENT      SYN                SYN-RECEIVED

3.10.7.4 second SYN-RECEIVED  RESET_OF_PASSIVE   LISTEN
3.10.7.4 second SYN-RECEIVED  RESET              CLOSED
3.10.7.4 second ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT  RESET  CLOSED
3.10.7.4 second CLOSING LAST-ACK TIME-WAIT                    RESET  CLOSED
3.10.7.4 fourth SYN-RECEIVED  SYN                LISTEN
3.10.7.4 fifth  SYN-RECEIVED  ACK_OF_SYN         ESTABLISHED
3.10.7.4 fifth  FIN-WAIT-1    ACK_OF_FIN         FIN-WAIT-2
3.10.7.4 fifth  CLOSING       ACK_OF_FIN         TIME-WAIT
3.10.7.4 fifth  LAST-ACK      ACK_OF_FIN         CLOSED
3.10.7.4 eighth ESTABLISHED   FIN                CLOSE-WAIT
3.10.7.4 eighth FIN-WAIT-1    FIN                CLOSING
3.10.7.4 eighth FIN-WAIT-2    FIN                TIME-WAIT

3.10.8          TIME-WAIT     TIME_WAIT_OVER     CLOSED
3.6.1           TIME-WAIT     SYN                SYN-RECEIVED
3.6.1           SYN-RECEIVED  RESET_OF_REOPENED  TIME-WAIT
3.6.1           FIN-WAIT-2    FIN_WAIT_2_OVER    CLOSED
3.6.1           FIN-WAIT-1 FIN-WAIT-2  DATA_AFTER_CLOSE  CLOSED

3.8.3   SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 RETRANSMISSIONS_EXHAUSTED CLOSED
3.8.3   CLOSE-WAIT CLOSING LAST-ACK                  RETRANSMISSIONS_EXHAUSTED CLOSED
3.10.8  SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 USER_TIMEOUT CLOSED
3.10.8  CLOSE-WAIT CLOSING LAST-ACK                  USER_TIMEOUT CLOSED
3.8.4   ESTABLISHED FIN-WAIT-1 FIN-WAIT-2  KEEPALIVE_FAILED CLOSED
3.8.4   CLOSE-WAIT CLOSING LAST-ACK                     KEEPALIVE_FAILED CLOSED
3.9.2.2 SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 ICMP_HARD_ERROR CLOSED
3.9.2.2 CLOSE-WAIT CLOSING LAST-ACK                             ICMP_HARD_ERROR CLOSED

3.10.5  LISTEN SYN-SENT SYN-RECEIVED ESTABLISHED    INTERNAL  CLOSED
3.10.5  FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT            INTERNAL  CLOSED
3.10.5  CLOSING LAST-ACK TIME-WAIT                  INTERNAL  CLOSED
"""
_STEPS = {"second", "third", "fourth", "fifth", "eighth"}


def _expected() -> dict[tuple[State, Cause], tuple[State, str]]:
    found: dict[tuple[State, Cause], tuple[State, str]] = {}
    for line in filter(None, EXPECTED.splitlines()):
        section, *words, cause, to = line.split()
        if words[0] in _STEPS:
            section = f"{section} {words.pop(0)}"
        for word in words:
            key = (state_named(word), Cause[cause])
            assert key not in found, f"{line!r} is said twice"
            found[key] = (state_named(to), section)
    return found


@pytest.mark.parametrize("state", State, ids=str)
@pytest.mark.parametrize("cause", Cause, ids=lambda cause: cause.name)
def test_every_state_and_cause_lead_where_the_rfc_says_or_nowhere(
    state: State, cause: Cause
) -> None:
    """RFC 9293 3.10: eleven states times every cause; each pair has one row, or none."""
    rows = [row for row in ROWS if row.state is state and row.cause is cause]
    row = transition(state, cause)
    expected = _expected().get((state, cause))
    if expected is None:
        assert rows == []
        assert row is None
        return
    assert rows == [row]
    to, section = expected
    assert row.to is to
    # The table may add the id of the requirement behind the section.
    assert row.section == section or row.section.startswith(section + " ")


def test_the_expected_table_and_the_table_have_the_same_pairs() -> None:
    """Nothing is in one that is not in the other."""
    assert set(_expected()) == {(row.state, row.cause) for row in ROWS}
    assert len(TRANSITIONS) == len(ROWS)


def test_life_comes_first_and_the_rest_are_sudden_ends() -> None:
    """What is not the life of a connection leads to CLOSED, and RFC 9293 figure 5 leaves it out."""
    assert ROWS[: len(LIFE)] == LIFE
    assert all(row.to is State.CLOSED for row in ROWS[len(LIFE) :])


def _reached(start: State, rows: tuple[Row, ...], backwards: bool = False) -> set[State]:
    reached = {start}
    while True:
        more = {
            (row.state if backwards else row.to)
            for row in rows
            if (row.to if backwards else row.state) in reached
        }
        if more <= reached:
            return reached
        reached |= more


@pytest.mark.parametrize("rows", [LIFE, ROWS], ids=["life", "all"])
def test_every_state_is_reached_from_closed_and_leads_back_to_it(rows: tuple[Row, ...]) -> None:
    """RFC 9293 3.3.2: no state stands alone, and none is a trap."""
    assert _reached(State.CLOSED, rows) == set(State)
    assert _reached(State.CLOSED, rows, backwards=True) == set(State)


def test_no_row_stays_where_it_is() -> None:
    """Staying is not a transition."""
    assert all(row.state is not row.to for row in ROWS)


def test_only_close_wait_waits_for_its_own_user_alone() -> None:
    """RFC 9293 3.3.2: in CLOSE-WAIT neither a segment nor a timer leads on to the next state."""
    ways = {row.cause for row in LIFE if row.state is State.CLOSE_WAIT}
    assert ways == {Cause.CLOSE}


def test_a_state_prints_as_the_rfc_spells_it() -> None:
    """RFC 9293 3.3.2."""
    assert list(map(str, State)) == [
        "CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2",
        "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT",
    ]  # fmt: skip
    assert f"{State.SYN_RECEIVED}" == "SYN-RECEIVED"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("SYN-RECEIVED", State.SYN_RECEIVED),
        ("syn_rcvd", State.SYN_RECEIVED),
        ("SYN_RECV", State.SYN_RECEIVED),
        ("syn-recv", State.SYN_RECEIVED),
        ("SynReceived", State.SYN_RECEIVED),
        ("ESTAB", State.ESTABLISHED),
        ("FIN_WAIT1", State.FIN_WAIT_1),
        ("fin-wait-1", State.FIN_WAIT_1),
        ("FINWAIT-2", State.FIN_WAIT_2),
        ("FIN WAIT 2", State.FIN_WAIT_2),
        ("CloseWait", State.CLOSE_WAIT),
        ("TIMEWAIT", State.TIME_WAIT),
        ("time_wait", State.TIME_WAIT),
        ("LastAck", State.LAST_ACK),
        ("CLOSE", State.CLOSED),
        ("UNCONN", State.CLOSED),
        ("listen", State.LISTEN),
    ],
)
def test_every_common_spelling_is_understood(text: str, state: State) -> None:
    """ss, netstat, the kernel's headers and Windows each have their own."""
    assert state_named(text) is state


@pytest.mark.parametrize("state", State, ids=str)
def test_our_own_names_and_the_kernels_are_read_back(state: State) -> None:
    """What is printed can be typed again."""
    assert state_named(str(state)) is state
    assert state_named(linux_name(state)) is state


@pytest.mark.parametrize("text", ["", "OPEN", "FIN-WAIT", "WAIT", "CLOSED2", "关闭"])
def test_a_name_that_is_none_is_refused_naming_the_eleven(text: str) -> None:
    """Bad input gets a sentence that helps."""
    with pytest.raises(ValueError, match=r"the eleven are CLOSED, LISTEN, .*, TIME-WAIT"):
        state_named(text)
