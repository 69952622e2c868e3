"""Writes docs/conformance.md from checkouts of the two public suites.

    PYTHONPATH=src python tests/script/conformance.py FREEBSD_SUITE GOOGLE_SUITE
        [--kernel [--packetdrill PROGRAM]]

FREEBSD_SUITE is a checkout of freebsd-net/tcp-testsuite, GOOGLE_SUITE `gtests/net/tcp` in one of
google/packetdrill. `--kernel` (as root) adds which of Google's scripts this machine's kernel fails;
with a built packetdrill it is shown by two programs. Without it, what the page says of the kernel
stays. Every script that does not pass is named, under the first explanation below that
fits its path and what the runner says of it; one that fits none stands under "not explained".
"""

import platform
import re
from argparse import ArgumentParser
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from by_the_kernel import DEFINED, failed_by_kernel, kernel_section

from lastack.script import Outcome, Settings, Verdict
from lastack.script.batch import expected_to_fail, run_all

PAGE: Final = Path(__file__).resolve().parent.parent.parent / "docs" / "conformance.md"
KERNEL_MARK: Final = "<!-- kernel -->"

_OFFERED_MSS: Final = (
    "wants a SYN sent again to offer a smaller MSS after a Packet Too Big; what a host can receive "
    "does not follow from the path away from it (RFC 9293 3.7.1, RFC 1191 3.1), and the suite's "
    "script for IPv4 agrees"
)
FREEBSD: Final = (
    (r"cookie-update-of-length-17 ", "is corrupt: it begins with a stray `s`"),
    (
        r"tcp-over-udp/rcv-syn-timewait",
        "wants a SYN to open a connection in TIME-WAIT again, which `reuse_time_wait=0` forbids",
    ),
    (r"hard-error-ignored-ipv6", _OFFERED_MSS),
)
GOOGLE: Final = (
    (r"root fq|pfifo limit", "a queue of the machine's (`tc`)"),
    (r"^nagle/https_client", "where Linux's buffers end, which sets PSH there (needs `ethtool`)"),
    (
        r"^ts_recent/invalid_ack",
        "a script older than the kernel of the day, which answers an ACK of what was never sent",
    ),
    (
        r"^fast_retransmit/fr-4pkt-fack-last-mss",
        "a script older than the kernel of the day, which waits 27 ms for reordering, not 40",
    ),
    (
        r"^cwnd_moderation/.*-ecn-",
        "the last segment of the congestion window while it comes down after an ECN echo",
    ),
    (r"SO_MARK", "a mark for the kernel's own routing"),
    (r"^zerocopy/maxfrags", "how many pieces of the user's memory Linux puts into one buffer"),
    (
        r"^fastopen/server/client-ack-dropped",
        "how Linux lets the window grow by the room that its buffers really take",
    ),
    (
        r"^fastopen/client/syn-data-icmp-unreach-frag-needed-with-seq-ipv6",
        "is for IPv6, and played over IPv4 here",
    ),
)


def named(outcomes: Sequence[Outcome], root: Path) -> list[str]:
    """Paths from the suite's folder, twins for IPv4 and IPv6 as one, numbered ones as a range."""
    paths = sorted(str(Path(one.path).relative_to(root).with_suffix("")) for one in outcomes)
    numbers: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        found = re.fullmatch(r"(.*-length-)(\d+)", path)
        numbers[found[1] if found else path].append(found[2] if found else "")
    shown: list[str] = []
    for path, ends in numbers.items():
        if ends != [""]:
            shown.append(f"{path}{{{','.join(ends)}}}")
        elif path.endswith("ipv6") and f"{path[:-1]}4" in numbers:
            continue
        elif path.endswith("ipv4") and f"{path[:-1]}6" in numbers:
            shown.append(f"{path[:-1]}{{4,6}}")
        else:
            shown.append(path)
    return shown


def sums(outcomes: Sequence[Outcome]) -> str:
    counts = Counter(outcome.verdict for outcome in outcomes)
    foreseen = sum(
        outcome.verdict is Verdict.FAILED and expected_to_fail(outcome.path) != ""
        for outcome in outcomes
    )
    words = f"{counts[Verdict.PASSED]} | {counts[Verdict.FAILED] - foreseen}"
    return f"{words} | {counts[Verdict.SKIPPED]} | {foreseen} | {len(outcomes)}"


def listing(outcomes: Sequence[Outcome], root: Path, reasons: Sequence[tuple[str, str]]) -> str:
    """Every script that has not passed, in groups with a reason."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.verdict is Verdict.PASSED:
            continue
        path = Path(outcome.path).relative_to(root).with_suffix("")
        text = f"{path} {outcome.reason}"
        why = next((why for pattern, why in reasons if re.search(pattern, text)), "not explained")
        groups[why].append(outcome)
    lines: list[str] = []
    for why, members in sorted(groups.items(), key=lambda group: -len(group[1])):
        counts = Counter(str(member.verdict) for member in members)
        how = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        lines.append(f"- **{why}** ({how}): " + ", ".join(f"`{n}`" for n in named(members, root)))
    return "\n".join(lines)


def main(freebsd: Path, google: Path, kernel: bool, packetdrill: Path | None) -> None:
    def run(root: Path, settings: Settings) -> list[Outcome]:
        return list(run_all([str(path) for path in sorted(root.rglob("*.pkt"))], settings))

    standard = run(freebsd, Settings("freebsd", {"STANDARD": ""}, knobs={"reuse_time_wait": "0"}))
    own = run(freebsd, Settings("freebsd", {"FreeBSD": ""}))
    linux = run(google, Settings("linux", DEFINED))
    by_folder: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in linux:
        folder = str(Path(outcome.path).relative_to(google).parts[0])
        by_folder[folder][str(outcome.verdict)] += 1
    folders = "\n".join(
        f"| {folder} | {count['passed']} | {count['failed']} | {count['skipped']} |"
        for folder, count in sorted(by_folder.items())
    )
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    head = page.partition("<!-- figures -->")[0] or "# Conformance\n\n"
    about_kernel = page.partition(KERNEL_MARK)[2].strip("\n")
    if kernel:
        about_kernel = kernel_section(google, packetdrill, f"Linux {platform.release()}")
    failed_there = "|".join(map(re.escape, failed_by_kernel(about_kernel))) or "none"
    reasons = ((rf"^(?:{failed_there}) ", "the kernel of the day fails it, too"), *GOOGLE)
    rows = "\n".join(
        f"| {name} | {sums(outcomes)} |"
        for name, outcomes in (
            ("FreeBSD, `-D STANDARD`", standard),
            ("FreeBSD, `-D FreeBSD`", own),
            ("Google", linux),
        )
    )
    parts = [
        f"{head}<!-- figures -->",
        "| suite | passed | failed | skipped | failed, as its `.exfail` says | scripts |",
        f"|---|---|---|---|---|---|\n{rows}\n",
        "What each group waits for is judged from where its scripts first differ.\n",
        f"## FreeBSD, `-D STANDARD`: what does not pass\n\n{listing(standard, freebsd, FREEBSD)}\n",
        f"## FreeBSD, `-D FreeBSD`: what does not pass\n\n{listing(own, freebsd, FREEBSD)}\n",
        f"## Google: what does not pass\n\n{listing(linux, google, reasons)}\n",
        "## Google, by folder\n\n| folder | passed | failed | skipped |",
        f"|---|---|---|---|\n{folders}\n",
        *((KERNEL_MARK, about_kernel) if about_kernel else ()),
    ]
    PAGE.write_text("\n".join(parts).rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("freebsd", type=Path)
    parser.add_argument("google", type=Path)
    parser.add_argument("--kernel", action="store_true")
    parser.add_argument("--packetdrill", type=Path)
    asked = parser.parse_args()
    main(asked.freebsd, asked.google, asked.kernel, asked.packetdrill)
