"""`lastack why`: all that can be said of the sockets in one state, as lines that a person reads."""

from itertools import pairwise
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from lastack.observe.ages import given_up_after
from lastack.observe.findings import UNACCEPTED, Finding, Holding, Listening
from lastack.observe.watching import Heard, Source
from lastack.tcp.states import State, linux_name
from lastack.units import MINUTE, MS, SECOND
from lastack.view.ladder import fitted
from lastack.view.machine_words import section_words
from lastack.view.state_texts import about
from lastack.view.why_words import WORDS
from lastack.view.wrap import wrapped

_HOUR: Final = 60 * MINUTE
_DAY: Final = 24 * _HOUR
_MOST: Final = 4
"""So many processes, peers, listeners or destinations are named one by one."""
_FIN_OUT: Final = (State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK)
_NOBODY: Final = {
    State.TIME_WAIT: "nobody_wait",
    State.SYN_RECEIVED: "nobody_half",
    **dict.fromkeys(UNACCEPTED, "nobody_yet"),
    **dict.fromkeys((*_FIN_OUT, State.FIN_WAIT_2), "nobody_closed"),
}
_ORPHAN_RETRIES: Final = 8
"""What the kernel takes for a tcp_orphan_retries of 0."""
_ASCII: Final = str.maketrans(
    {"“": '"', "”": '"', "·": ",", "×": "x", "…": "~", "（": "(", "）": ")", "：": ":", "，": ","}
)


def span(time: int, language: str = "en") -> str:
    """Return a span of time in at most two units: `3 h 12 min`."""
    words = WORDS[language]
    if time < SECOND:
        return words["ms"].format(n=time // MS)
    if time < MINUTE:
        return words["s"].format(n=f"{time / SECOND:.3g}" if time < 10 * SECOND else time // SECOND)
    units = ((_DAY, "d"), (_HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))
    for (large, name), (small, next_name) in pairwise(units):
        if time >= large:
            rest = time % large // small
            text = words[name].format(n=time // large)
            return text + words[" "] + words[next_name].format(n=rest) if rest else text
    return ""


def ranges(numbers: list[int]) -> str:
    """Return numbers in order as ranges: `3, 17-230`; at most four of them."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number <= found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    parts = [f"{low}-{high}" if high > low else str(low) for low, high in found[:_MOST]]
    return ", ".join(parts) + (", …" if len(found) > _MOST else "")


def missing_words(sources: list[Source], heard: Heard, language: str = "en") -> list[str]:
    """Return a sentence for all that cannot be seen: as it was lost, or for want of a source."""
    words = WORDS[language]
    lost = (("changes_lost", heard.changes_lost), ("ended_lost", heard.ended_lost))
    found = [words[key].format(count=f"{count:,}") for key, count in lost if count]
    return found + [words[f"{each.name}_{each.missing}"] for each in sources if each.missing]


def missing_line(sources: list[Source], heard: Heard, language: str = "en") -> str:
    """Return all that cannot be seen in one line; "" for nothing."""
    words, missing = WORDS[language], missing_words(sources, heard, language)
    return words["not_seen"] + words[": "] + words["; "].join(missing) if missing else ""


class _Why:
    """Collects the lines of one finding."""

    def __init__(self, found: Finding, language: str, width: int, plain: bool) -> None:
        self.found = found
        self.language = language
        self.words = WORDS[language]
        self.width = width
        self.plain = plain
        self.lines: list[Text] = []

    def say(self, text: str, heading: str = "", style: str = "") -> None:
        """Add a sentence, broken to the width, with its heading in bold."""
        if self.plain:
            text, heading = text.translate(_ASCII), heading.translate(_ASCII)
        colon = ("：" if self.language == "zh" and not self.plain else ": ") if heading else ""
        whole = f"{heading}{colon}{text}"
        for place, line in enumerate(_broken(whole, self.width - 4)):
            made = Text("    " if place else "  ", style=style)
            made.append(line)
            if heading and not place:
                made.stylize("bold", 2, 2 + len(heading))
            self.lines.append(made)

    def word(self, key: str, **values: object) -> str:
        """Return a sentence filled in; whole numbers get their commas."""
        shown = {n: f"{v:,}" if isinstance(v, int) else v for n, v in values.items()}
        return self.words[key].format(**shown)


def why_lines(
    found: Finding,
    language: str = "en",
    width: int = 100,
    ascii_only: bool = False,
    names: str = "rfc",
) -> list[Text]:
    """Return the lines: head, numbers, who must act, what ends it, what to look for."""
    why = _Why(found, language, width, ascii_only)
    said = about(found.state, language)
    name = linux_name(found.state) if names == "linux" else str(found.state)
    section = section_words(said.section.split(",")[0], language)
    why.lines += _head(name, said.meaning, section, width, ascii_only)
    if found.count:
        _who(why)
        _cgroups(why)
        _peers(why)
        _queues(why)
        _age_basis(why)
    else:
        why.say(why.words["none"])
    _listeners(why)
    _destinations(why)
    _settings(why)
    why.say(_sentence(_actor(why, said.actor), language), why.words["actor"])
    why.say(_sentence(said.ends, language), why.words["ends"])
    why.say(said.many, why.words["look"])
    if found.heard.changes or found.heard.ended:
        heard = found.heard
        why.say(why.word("heard", changes=heard.changes, ended=heard.ended), style="dim")
    missing = missing_words(found.sources, found.heard, language)
    if missing:
        why.say(why.words["; "].join(missing) + why.words["."], why.words["not_seen"], "dim")
    return why.lines


def _actor(why: _Why, actor: str) -> str:
    """Return who must act: of CLOSE-WAIT by number, and who does not call accept()."""
    found, words, parts = why.found, why.words, []
    if found.state is State.CLOSE_WAIT:
        if pids := [each.pid for each in found.holders if each.how == "holds"]:
            parts.append(_pids(why, pids))
    late = [each for each in found.listeners if found.state in UNACCEPTED or each.is_full]
    if pids := list(dict.fromkeys(pid for each in late for pid in each.pids)):
        parts.append(words["accepts"].format(pids=_pids(why, pids)))
        if found.state is State.LISTEN:
            return parts[0]  # of others it is said that nobody must
    whole = actor[0].upper() + actor[1:]
    return words["; "].join(parts) + words[". "] + whole if parts else actor


def _pids(why: _Why, pids: list[int]) -> str:
    return why.words[", "].join(why.words["process"].format(pid=pid) for pid in pids[:_MOST])


def _sentence(text: str, language: str) -> str:
    end = "。" if language == "zh" else "."
    first = text[0] if text.startswith(("close()", "pid ")) else text[0].upper()
    return first + text[1:] + ("" if text.endswith(end) else end)


def _head(name: str, meaning: str, section: str, width: int, plain: bool) -> list[Text]:
    """Return the state, what it means, and where the RFC says so at the right edge."""
    source = f"RFC 9293 {section}"
    room = width - cell_len(name) - cell_len(source) - 4
    first, *rest = wrapped(meaning.translate(_ASCII) if plain else meaning, room).split("\n")
    made = Text(name, style="bold cyan")
    made.append(f"  {first}", style="not bold default")
    made.append(" " * (room - cell_len(first) + 2) + source, style="not bold dim default")
    return [made, *(Text(" " * (cell_len(name) + 2) + line) for line in rest)]


def _name_of(why: _Why, holding: Holding) -> str:
    program, blank, arguments = (holding.command or holding.name).partition(" ")
    command = program.rpartition("/")[2] + blank + arguments
    command = fitted(command, max(24, why.width // 2))
    text = f"pid {holding.pid} {command}"
    if holding.descriptors:
        key = "fd" if len(holding.descriptors) == 1 else "fds"
        text += "  " + why.words[key].format(ranges=ranges(holding.descriptors))
    return text


def _who(why: _Why) -> None:
    found = why.found
    first = [why.words["socket"] if found.count == 1 else why.word("sockets", count=found.count)]
    if found.oldest is not None:
        key = "oldest" if found.oldest.exact else "least"
        first.append(why.words[key].format(age=span(found.oldest.time, why.language)))
    holders = found.holders
    if len(holders) == 1 and holders[0].count >= found.count:
        first.append(why.word(f"all_{holders[0].how}", who=_name_of(why, holders[0])))
        holders = []
    why.say(("，" if why.language == "zh" else ", ").join(first))
    for each in holders[:_MOST]:
        why.say(why.word(f"some_{each.how}", count=each.count, who=_name_of(why, each)))
    if rest := holders[_MOST:]:
        count = sum(each.count for each in rest)
        why.say(why.word("more_holders", count=count, processes=len(rest)))
    if found.nobody:
        why.say(why.word(_NOBODY.get(found.state, "nobody"), count=found.nobody))
    if found.unseen:
        why.say(why.word("unseen", count=found.unseen))


def _peers(why: _Why) -> None:
    found = why.found
    if not found.peers:
        return
    shown = ", ".join(f"{peer} ×{count:,}" for peer, count in found.peers[:_MOST])
    parts = [why.words["peers"].format(peers=shown)]
    if len(found.peers) > _MOST:
        parts.append(why.word("more_peers", count=len(found.peers) - _MOST))
    why.say(" · ".join(parts))


def _cgroups(why: _Why) -> None:
    groups = why.found.cgroups
    if any(path != "/" for path, _ in groups):
        shown = ", ".join(f"{path} ×{count:,}" for path, count in groups[:_MOST])
        why.say(why.words["cgroups"].format(groups=shown + (", …" if groups[_MOST:] else "")))


def _queues(why: _Why) -> None:
    found = why.found
    parts = []
    if found.unread_sockets:
        parts.append(why.word("unread", sockets=found.unread_sockets, bytes=found.unread))
    elif found.state in (State.CLOSE_WAIT, State.ESTABLISHED, State.FIN_WAIT_2):
        parts.append(why.words["no_unread"])
    if found.unsent_sockets:
        parts.append(why.word("unsent", sockets=found.unsent_sockets, bytes=found.unsent))
    elif found.state in _FIN_OUT:
        parts.append(why.words["only_fin"])
    if found.retransmitting:
        parts.append(why.word("resent", count=found.retransmitting, most=found.most_retransmits))
    if found.window_closed:
        parts.append(why.word("window_closed", count=found.window_closed))
    if found.probing:
        parts.append(why.word("probing", count=found.probing, most=found.most_probes))
    running = found.count - found.timers.get(0, 0)
    if found.state is State.LISTEN:
        pass
    elif running and found.next_timer is not None and found.last_timer is not None:
        ends = (span(found.next_timer, why.language), span(found.last_timer, why.language))
        parts.append(why.word("timer", running=running, next=ends[0], last=ends[1]))
    else:
        parts.append(why.words["no_timer"])
    if parts:
        why.say(" · ".join(parts))


def _age_basis(why: _Why) -> None:
    oldest = why.found.oldest
    key = "by_none"
    if oldest is not None:
        key = f"by_{oldest.by}_exact" if oldest.exact else f"by_{oldest.by}"
        key = key if key in why.words else f"by_{oldest.by}"
    why.say(why.words[key], style="dim")


def _listeners(why: _Why) -> None:
    for each in why.found.listeners[:_MOST]:
        text = why.word(
            "listener",
            local=each.local + _holder_of(why, each),
            half_open=each.half_open,
            waiting=each.waiting,
            backlog=each.backlog,
        )
        if each.resent:
            text += " · " + why.word("half_resent", resent=each.resent, most=each.most_resent)
        why.say(text)
        if each.is_full:
            why.say(why.words["full"], style="bold red")


def _holder_of(why: _Why, each: Listening) -> str:
    if not each.pids:
        return ""
    pids = ", ".join(map(str, each.pids[:_MOST])) + (", …" if each.pids[_MOST:] else "")
    return why.words["of"].format(pids=pids, name=each.name)


def _destinations(why: _Why) -> None:
    for each in why.found.destinations[:_MOST]:
        why.say(
            why.word(
                "destination",
                local=each.local,
                remote=each.remote,
                time_waits=each.time_waits,
                used=each.used,
                ports=each.ports,
                share=f"{each.used / each.ports:.1%}",
            )
        )
        rate = f"{each.rate:.3g}"
        if each.reusable:
            why.say(why.word("reusable", count=each.reusable))
        if each.used >= each.ports:
            if not each.reusable:
                why.say(why.words["ran_out"], style="bold red")
        elif each.runs_out is not None:
            left = span(each.runs_out, why.language)
            why.say(why.word("runs_out", rate=rate, left=left), style="bold yellow")
        elif not each.rate:
            why.say(why.words["idle"])
        elif each.levels <= each.ports or not each.reusable:
            share = f"{each.levels / each.ports:.1%}"
            why.say(why.word("levels", rate=rate, levels=each.levels, share=share))


def _settings(why: _Why) -> None:
    found, settings = why.found, why.found.settings
    if found.state is State.TIME_WAIT and found.destinations:
        why.say(why.word("reuse", value=settings["tcp_tw_reuse"]))
    elif found.state is State.FIN_WAIT_2:
        why.say(why.word("fin_timeout", value=settings["tcp_fin_timeout"]))
        if held := sum(each.count for each in found.holders if each.how == "holds"):
            why.say(why.word("fin_held", count=held))
    elif found.state is State.SYN_SENT and found.count:
        tries = settings["tcp_syn_retries"] + settings["tcp_syn_linear_timeouts"]
        why.say(why.word("syn_retries", value=tries))
    elif found.state in _FIN_OUT and found.count:
        why.say(_given_up(why, "fin_retries"))
    elif found.state in UNACCEPTED and found.retransmitting:
        why.say(_given_up(why, "retries"))
    elif found.state is State.SYN_RECEIVED:
        if found.count:
            why.say(why.word("synack_retries", value=settings["tcp_synack_retries"]))
        why.say(why.words[f"cookies_{min(settings['tcp_syncookies'], 2)}"])
    if found.listeners and found.state not in UNACCEPTED:
        why.say(why.word("backlog", value=settings["somaxconn"]))
    if found.counters:
        shown = ", ".join(f"{name} {value:,}" for name, value in found.counters.items())
        why.say(why.words["counters"].format(counters=shown))


def _given_up(why: _Why, key: str) -> str:
    """Return for how long the kernel sends again, as it was told."""
    settings, language = why.found.settings, why.language
    most = settings["tcp_rto_max_ms"] * MS
    orphan, held = settings["tcp_orphan_retries"] or _ORPHAN_RETRIES, settings["tcp_retries2"]
    return why.word(
        key,
        orphan=orphan,
        held=held,
        orphan_for=span(given_up_after(orphan, most), language),
        held_for=span(given_up_after(held, most), language),
    )


def _broken(text: str, width: int) -> list[str]:
    """Return the lines of a text; what is too wide for a line is cut."""
    return [fitted(line, width) for line in wrapped(text, width).split("\n")]
