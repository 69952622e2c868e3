"""`lastack check`: what it finds on our own stack, on stacks with faults, and on the kernel."""

import json
import re
import socket
import threading
from xml.etree import ElementTree

import pytest
from carriers import ECHO, NOBODY, OurStack
from click.testing import CliRunner
from namespaces import entered_namespace, why_not

from lastack.check import PROBES, Probe, Verdict, by_requirement, junit, play, why_not_allowed
from lastack.check.play import needs_closed_port
from lastack.check.probes import WAYS_IN
from lastack.cli.main import lastack
from lastack.tcp.config import Config, preset
from lastack.wire.segment import ACK, FIN, SYN, Segment


def verdict_of(carrier: OurStack, probe: Probe) -> Verdict:
    return play(carrier, probe, NOBODY if needs_closed_port(probe) else ECHO)


def failures(carrier: OurStack) -> dict[str, str]:
    """The probes that did not pass, and why."""
    verdicts = [verdict_of(carrier, probe) for probe in PROBES]
    return {v.probe.name: v.reason for v in verdicts if v.verdict != "passed"}


@pytest.mark.parametrize("name", ["rfc", "linux"])
def test_our_own_stack_passes_every_probe(name: str) -> None:
    """RFC 9293, as far as it can be seen on the wire, in both presets."""
    config = preset(name).replace(strict=True, max_resets=10_000)
    assert failures(OurStack(config)) == {}


def test_what_freebsd_does_otherwise_is_found_out() -> None:
    """It ignores a SYN-ACK in LISTEN, and what it has room for counts as its window."""
    config = preset("freebsd").replace(strict=True, max_resets=10_000)
    assert set(failures(OurStack(config))) == {"listen-syn-ack", "rst-beyond"}


def test_a_stack_without_the_protections_of_rfc_5961_is_found_out() -> None:
    """MAY-12: resets and SYNs in the window must be challenged."""
    found = failures(OurStack(Config(strict=True, rfc5961=False, max_resets=10_000)))
    assert {"rst-inside", "syn-inside", "half-open-rst-inside"} <= set(found)


def test_a_stack_that_drops_text_with_an_old_ack_is_found_out() -> None:
    """RFC 9293 3.10.7.4 fifth: the ACK is ignored, the text is not; some stacks drop both."""
    highest: dict[int, int] = {}

    def loses(segment: Segment) -> bool:
        if not segment.flags & ACK or segment.flags & SYN:
            return False
        known = highest.setdefault(segment.source_port, segment.ack)
        highest[segment.source_port] = max(known, segment.ack)
        return bool(segment.length) and segment.ack < known

    found = failures(OurStack(Config(strict=True, max_resets=10_000), loses))
    assert "data-old-ack" in found


def test_a_stack_that_forgets_a_fin_out_of_order_is_found_out() -> None:
    """SHLD-31: what comes early is held; some stacks hold the text and lose the FIN."""
    next_seq: dict[int, int] = {}

    def loses(segment: Segment) -> bool:
        port = segment.source_port
        early = segment.seq > next_seq.get(port, segment.seq)
        if segment.flags & SYN:
            next_seq[port] = segment.seq + 1
        elif not early:
            next_seq[port] = max(next_seq.get(port, 0), segment.seq + segment.length)
        return bool(early and segment.flags & FIN)

    found = failures(OurStack(Config(strict=True, max_resets=10_000), loses))
    assert {"fin-ahead", "fin-data-ahead"} <= set(found)


def test_every_probe_has_a_state_steps_and_a_requirement() -> None:
    """The text that the probes are read from is whole."""
    assert len({probe.name for probe in PROBES}) == len(PROBES) >= 24
    requirement = re.compile(r"(MUST|SHLD|MAY)-\d+|(RFC \d+ )?\d+(\.\d+)+( \w+)*")
    for probe in PROBES:
        assert probe.state in WAYS_IN, probe.name
        assert probe.steps and all(step[:2] in ("< ", "> ") for step in probe.steps), probe.name
        assert requirement.fullmatch(probe.requirement), probe.name


def test_the_report_begins_with_what_must_be() -> None:
    """MUSTs, then SHOULDs, MAYs, sections."""
    verdicts = [Verdict(probe, "passed", "", []) for probe in PROBES]
    order = [name.partition("-")[0] for name in by_requirement(verdicts)]
    levels = [name for name in order if name in ("MUST", "SHLD", "MAY")]
    assert order[: len(levels)] == levels
    assert levels == sorted(levels, key=("MUST", "SHLD", "MAY").index)


def test_junit_has_a_case_for_each_probe_and_its_segments_when_it_failed() -> None:
    """What build servers read."""
    verdicts = [
        Verdict(PROBES[0], "passed", "", []),
        Verdict(PROBES[1], "failed", "expected ack 1 & <more>", ["< S 0:0(0)"]),
        Verdict(PROBES[2], "skipped", "no echo", []),
    ]
    suite = ElementTree.fromstring(junit(verdicts, "10.0.0.2:7"))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    failure = suite.find("testcase/failure")
    assert failure is not None and failure.get("message") == "expected ack 1 & <more>"


def test_an_address_of_somebody_else_is_refused() -> None:
    """Only this machine's own addresses are probed unasked."""
    assert why_not_allowed("127.0.0.1") == why_not_allowed("::1") == ""
    for host in ("192.0.2.1", "2001:db8::1", "224.0.0.1", "0.0.0.0"):
        assert why_not_allowed(host)
    done = CliRunner().invoke(lastack, ["check", "192.0.2.1:80"])
    assert done.exit_code == 2
    assert "--i-own-this-host" in done.output


@pytest.mark.parametrize("target", ["10.0.0.1", "example.org:80", "10.0.0.1:0", "fd00::1"])
def test_a_target_that_is_none_is_explained(target: str) -> None:
    """Bad input: a clear error."""
    done = CliRunner().invoke(lastack, ["check", target])
    assert done.exit_code == 2
    assert "write it as" in done.output


def echo(server: socket.socket) -> None:
    """Serve one connection after the other until the server is closed."""
    while True:
        try:
            connection = server.accept()[0]
        except OSError:
            return
        threading.Thread(target=echo_one, args=(connection,), daemon=True).start()


def echo_one(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(1000):
                connection.sendall(data)
        except OSError:
            return


@pytest.mark.kernel
def test_the_kernel_passes_every_probe_over_its_loopback() -> None:
    """Two stacks by other hands: what both do is what the probes ask for; JSON as docs/json.md."""
    if reason := why_not():
        pytest.skip(reason)
    with entered_namespace(), socket.create_server(("127.0.0.1", 7)) as server:
        threading.Thread(target=echo, args=(server,), daemon=True).start()
        done = CliRunner().invoke(lastack, ["check", "--json", "--rate", "1000", "127.0.0.1:7"])
        server.shutdown(socket.SHUT_RDWR)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["probe"] for line in lines] == [probe.name for probe in PROBES]
    wrong = [line for line in lines if line["verdict"] != "passed"]
    assert not wrong, json.dumps(wrong, indent=1)
