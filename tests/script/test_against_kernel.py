"""Scripts against the kernel, and against ours on a real device and clock: as root, in namespaces.

The runner is checked by a stack that we did not write; where that one answers otherwise, the list
`kernel_differences.txt` says why.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from namespaces import why_not

from lastack.script import Outcome, Settings, Verdict, load
from lastack.script.apart import run_apart
from lastack.script.model import Clock, Script
from lastack.script.play import Against
from lastack.units import MS, SECOND

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "never"),
]

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE.parent / "scripts"
LIST = HERE / "kernel_differences.txt"
LONGEST = 4 * SECOND
TOLERANCE = 20 * MS
AT_ONCE = 8
AS_IN_THE_RFCS: Mapping[str, str] = {
    "net.ipv4.tcp_congestion_control": "reno",
    "net.ipv4.tcp_early_retrans": "0",
    "net.ipv4.tcp_rto_min_us": "1000000",
    "net.ipv4.tcp_invalid_ratelimit": "0",
    "net.ipv4.tcp_rmem": "4096 540000 6291456",
}
"""As far as sysctls go: an RTO of a second at least, no tail loss probes, challenges unlimited."""

SERVER = """
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 65535 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+.01 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
"""


def duration(script: Script) -> int:
    """How long a script takes at least, nanoseconds."""
    passed = 0
    for event in script.events:
        if event.when.clock is Clock.ABSOLUTE:
            passed = max(passed, event.when.start)
        elif event.when.clock is Clock.RELATIVE:
            passed += event.when.start
    return passed


def ours() -> list[str]:
    """Our scripts that are short enough for real time and need no knob of ours."""
    found = []
    for path in sorted(SCRIPTS.rglob("*.pkt")):
        script = load(path)
        short = duration(script) <= LONGEST
        elsewhere = path.parent.name in ("freebsd", "recovery")
        if short and not script.header.knobs and not elsewhere:
            found.append(str(path))
    return found


def name_of(path: str) -> str:
    return str(Path(path).relative_to(SCRIPTS).with_suffix(""))


def play(paths: Iterable[str], settings: Settings, at_once: int = AT_ONCE) -> dict[str, Outcome]:
    return {one.path: one for one in run_apart(paths, settings, at_once)}


def play_text(folder: Path, text: str, settings: Settings) -> Outcome:
    path = folder / "script.pkt"
    path.write_text(text)
    return play([str(path)], settings)[str(path)]


def differences() -> dict[str, str]:
    """What the list says, by name of the script; a `~` before it stays."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    pairs = [line.partition(": ") for line in lines if line and not line.startswith("#")]
    return {name: reason for name, _, reason in pairs}


@pytest.mark.skipif(
    not os.path.exists("/proc/sys/net/ipv4/tcp_rto_min_us"),
    reason="needs a kernel of 6.11 or later, to be brought near the RFCs",
)
def test_the_kernel_differs_from_our_scripts_where_the_list_says_so() -> None:
    """A new difference fails, and so does one that is no more; each is looked at twice."""
    settings = Settings(
        against=Against.KERNEL, tolerance=TOLERANCE, semantic=True, sysctls=AS_IN_THE_RFCS
    )
    listed = differences()
    outcomes = play(ours(), settings)

    def expected(outcome: Outcome) -> bool:
        name = name_of(outcome.path)
        return f"~{name}" in listed or (name in listed) == (outcome.verdict is Verdict.FAILED)

    strange = [path for path, outcome in outcomes.items() if not expected(outcome)]
    again = play(strange, settings, 1)
    wrong = [outcome.report() for outcome in again.values() if not expected(outcome)]
    assert not wrong, "\n\n".join(wrong)
    assert len(outcomes) >= 130
    agreed = sum(1 for outcome in outcomes.values() if outcome.verdict is Verdict.PASSED)
    assert agreed >= 90
    missing = {name.lstrip("~") for name in listed} - {name_of(path) for path in outcomes}
    assert not missing, f"listed, but not played: {missing}"


def test_the_kernel_recovers_from_losses_as_our_scripts_say() -> None:
    """RACK, tail loss probes, PRR, F-RTO, Eifel and D-SACKs, in the kernel's own manner."""
    settings = Settings(
        against=Against.KERNEL,
        tolerance=TOLERANCE,
        semantic=True,
        allow_shell=True,
        sysctls={"net.ipv4.tcp_congestion_control": "reno"},
    )
    paths = [str(path) for path in sorted((SCRIPTS / "recovery").glob("*.pkt"))]
    failed = [o.path for o in play(paths, settings).values() if o.verdict is not Verdict.PASSED]
    again = play(failed, settings, 1)
    wrong = [one.report() for one in again.values() if one.verdict is not Verdict.PASSED]
    assert len(paths) >= 9 and not wrong, "\n\n".join(wrong)


def test_ours_answers_on_a_real_device_as_it_does_in_virtual_time() -> None:
    """The same scripts, the driver, a TUN device and the clock of the machine."""
    settings = Settings(against=Against.TUN, tolerance=TOLERANCE)
    outcomes = play(ours(), settings)
    failed = [path for path, outcome in outcomes.items() if outcome.verdict is not Verdict.PASSED]
    again = play(failed, settings, 1)
    wrong = [one.report() for one in again.values() if one.verdict is not Verdict.PASSED]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("against", [Against.KERNEL, Against.TUN])
def test_a_blocking_call_returns_when_it_should(tmp_path: Path, against: Against) -> None:
    """It is made while packets come and go; its end is compared."""
    settings = Settings(against=against, tolerance=TOLERANCE)
    text = SERVER + "+0...0.1 read(4, ..., 100) = 10\n+.1 < P. 1:11(10) ack 1 win 65535\n"
    outcome = play_text(tmp_path, text, settings)
    assert outcome.verdict is Verdict.PASSED, outcome.report()
    outcome = play_text(tmp_path, text.replace("0...0.1", "0...0.3"), settings)
    assert "read returns at another time" in outcome.reason


@pytest.mark.parametrize("against", [Against.KERNEL, Against.TUN])
def test_a_call_that_would_block_fails_the_script(tmp_path: Path, against: Against) -> None:
    """No end is given, so it must return at once."""
    settings = Settings(against=against, tolerance=TOLERANCE)
    outcome = play_text(tmp_path, SERVER + "+0 read(4, ..., 100) = 10\n", settings)
    assert outcome.verdict is Verdict.FAILED
    assert outcome.reason == "the call would block"


def test_what_the_kernel_does_not_do_is_seen(tmp_path: Path) -> None:
    """The packets are compared as those of our stack are."""
    settings = Settings(against=Against.KERNEL, tolerance=TOLERANCE)
    outcome = play_text(tmp_path, SERVER.replace("mss 1460", "mss 1461"), settings)
    assert outcome.verdict is Verdict.FAILED
    assert "options differ" in outcome.reason
    assert "mss 1460" in outcome.actual


def test_options_of_a_connection_are_the_kernels(tmp_path: Path) -> None:
    """getsockopt, poll, ioctl and snippets are asked of the kernel's own socket."""
    text = (
        SERVER
        + "+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5}, 8) = 0\n"
        + "+0 getsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5}, [8]) = 0\n"
        + "+0 < P. 1:11(10) ack 1 win 65535\n+0 > . 1:1(0) ack 11\n"
        + "+0 ioctl(4, SIOCINQ, [10]) = 0\n"
        + "+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLIN|POLLOUT}], 1, 0) = 1\n"
        + "+0 %{ assert tcpi_snd_mss == 1000 }%\n"
        + "+0 read(4, ..., 100) = 10\n+0 read(7, ..., 100) = -1 EBADF (Bad file descriptor)\n"
    )
    settings = Settings(against=Against.KERNEL, tolerance=TOLERANCE)
    outcome = play_text(tmp_path, text, settings)
    assert outcome.verdict is Verdict.PASSED, outcome.report()
    outcome = play_text(tmp_path, text.replace("[10]) = 0", "[9]) = 0"), settings)
    assert (outcome.reason, outcome.actual) == ("SIOCINQ differs", "10")


def test_a_sysctl_ends_with_the_scripts_namespace(tmp_path: Path) -> None:
    """It changes what is on the wire there, and nothing on this machine."""
    before = Path("/proc/sys/net/ipv4/tcp_sack").read_text()
    other = "0" if before.strip() == "1" else "1"
    text = (
        f"`sysctl -q net.ipv4.tcp_sack={other} net.ipv4.tcp_timestamps=0`\n"
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
        "+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
        "+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)\n"
        "+0 > S 0:0(0) <mss 1460,nop,wscale 7>\n"
    )
    settings = Settings(against=Against.KERNEL, tolerance=TOLERANCE)
    outcome = play_text(tmp_path, text, settings)
    shown = outcome.actual or text
    assert ("sackOK" in shown) == (other == "1")
    assert "TS val" not in shown
    assert Path("/proc/sys/net/ipv4/tcp_sack").read_text() == before


def test_commands_are_run_only_where_that_is_allowed(tmp_path: Path) -> None:
    """Otherwise the script is skipped and says so."""
    text = "`touch here`\n" + SERVER
    settings = Settings(against=Against.KERNEL, tolerance=TOLERANCE)
    outcome = play_text(tmp_path, text, settings)
    assert outcome.verdict is Verdict.SKIPPED
    assert outcome.reason == "the command 'touch here' without --allow-shell"
    assert not (tmp_path / "here").exists()
    settings = Settings(against=Against.KERNEL, tolerance=TOLERANCE, allow_shell=True)
    outcome = play_text(tmp_path, text, settings)
    assert outcome.verdict is Verdict.PASSED, outcome.report()
    assert (tmp_path / "here").exists()
    outcome = play_text(tmp_path, "`false`\n" + SERVER, settings)
    assert outcome.reason == "the command ends with 1"
