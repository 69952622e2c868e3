"""The live view of `lastack watch`: counts over time, the machine, who talks, and each socket."""

import asyncio
import signal
import threading
from collections import Counter
from typing import Any, ClassVar, Final

from rich.table import Table
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, ScrollableContainer, VerticalScroll
from textual.widgets import ContentSwitcher, DataTable, Footer, Input, Static

from lastack.cli.spoken import said
from lastack.cli.watch_terminal import Terminal
from lastack.observe.core.diag import KernelSocket
from lastack.observe.kernel_info import connection_info
from lastack.observe.talkers import Choice, choice_of, process_name, talkers
from lastack.observe.watching import LISTENING, Look, Watching
from lastack.tcp.states import State
from lastack.units import SECOND
from lastack.view.machine import machine_text
from lastack.view.watch import (
    COLUMNS,
    WORDS,
    counts_table,
    place_of,
    socket_cells,
    socket_rows,
    talkers_table,
)
from lastack.view.why import missing_line

MOST_ROWS: Final = 400
"""So many sockets are listed; a filter finds the others."""
_REMEMBERED: Final = 240


class WatchApp(App[None]):  # type: ignore[misc, unused-ignore]
    """Looks at the sockets again and again and shows them; `looking` is held during a look."""

    CSS = """
    #title { height: 1; background: $primary-darken-2; color: $text; padding: 0 1; }
    #missing { height: auto; max-height: 3; color: $text-muted; padding: 0 1; }
    ContentSwitcher { height: 1fr; }
    #overview { height: 1fr; }
    #counts { width: 34; padding: 1 1 0 1; }
    #talkers { width: 1fr; padding: 0; }
    #picture { width: auto; padding: 0 1; }
    #socket { padding: 0 1; }
    #filter { display: none; height: 1; border: none; padding: 0 1; }
    """
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None

    looking: threading.Lock

    def __init__(
        self,
        watching: Watching,
        choice: Choice,
        interval: int,
        names: str = "rfc",
        ascii_only: bool = False,
        language: str = "en",
    ) -> None:
        super().__init__(driver_class=Terminal, ansi_color=False)
        self.looking = threading.Lock()
        self.watching = watching
        self.choice = choice
        self.interval = interval
        self.names = names
        self.ascii_only = ascii_only
        self.language = language
        self.words = WORDS[language]
        self.paused = False
        self.look: Look | None = None
        self.opened = 0
        self.history: dict[State, list[int]] = {state: [] for state in State}
        words = self.words
        for key, action, label in (
            ("1", "page('overview')", "overview"),
            ("2", "page('list')", "list"),
            ("3", "page('diagram')", "diagram"),
            ("enter", "open", "open"),
            ("slash", "filter", "find"),
            ("p", "pause", "pause"),
            ("n", "names", "spelling"),
            ("escape", "leave", "back"),
            ("q", "quit", "quit"),
        ):
            self.bind(key, action, description=words[label], show=key not in ("enter", "escape"))

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def compose(self) -> ComposeResult:
        """Return the parts of the screen."""
        yield Static(id="title")
        with ContentSwitcher(initial="overview"):
            with Horizontal(id="overview"):
                yield Static(id="counts")
                with VerticalScroll():
                    yield Static(id="talkers")
            yield DataTable(id="list", cursor_type="row", zebra_stripes=True)
            with ScrollableContainer(id="diagram"):
                yield Static(id="picture")
            with VerticalScroll(id="detail"):
                yield Static(id="socket")
        yield Input(id="filter", placeholder=self.words["prompt"], compact=True)
        yield Static(id="missing")
        yield Footer()

    def on_load(self) -> None:
        """Take the signals, before anything is done to the terminal that must be undone."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, None, 128 + number)

    def on_mount(self) -> None:
        """Look at once, and then after every interval."""
        table = self.query_one(DataTable)
        for name in COLUMNS:
            table.add_column(self.words[name], key=name)
        self.set_interval(LISTENING / SECOND, self.hear)
        self.set_interval(self.interval / SECOND, self.begin_look)
        self.begin_look()

    def hear(self) -> None:
        """Hear the event sources before the kernel has no room for more; a look does so, too."""
        if self.looking.acquire(blocking=False):
            try:
                self.watching.hear()
            finally:
                self.looking.release()

    def begin_look(self) -> None:
        """Begin a look, unless one is under way or the view stands still."""
        if not self.paused and not self.looking.locked():
            self.run_worker(self._look, thread=True, exit_on_error=True)

    def _look(self) -> None:
        with self.looking:
            look = self.watching.look()
        if self.is_running:
            self.call_from_thread(self.take, look)

    def take(self, look: Look) -> None:
        """Take in a look and show it."""
        self.look = look
        counts = Counter(each.state for each in self.choice.of(look))
        for state, history in self.history.items():
            history.append(counts[state])
            del history[:-_REMEMBERED]
        self.refresh_view()

    def refresh_view(self) -> None:
        """Show the last look again."""
        if self.look is None:
            return
        chosen = self.choice.of(self.look)
        counts = dict(Counter(each.state for each in chosen))
        self._show_title(len(chosen))
        page = self.query_one(ContentSwitcher).current
        if page == "overview":
            self._show_overview(chosen, counts)
        elif page == "list":
            self._show_list(chosen)
        elif page == "diagram":
            text = machine_text(counts, self.ascii_only, self.names, self.language)
            self.query_one("#picture", Static).update(Text(text))
        else:
            self._show_socket(chosen)

    def _show_title(self, count: int) -> None:
        parts = [
            "lastack watch",
            self.words["total_one" if count == 1 else "total"].format(count=f"{count:,}"),
        ]
        if self.watching.heard.ended:
            parts.append(self.words["ended"].format(count=f"{self.watching.heard.ended:,}"))
        if self.query_one(ContentSwitcher).current == "list" and count > MOST_ROWS:
            parts.insert(2, self.words["listed"].format(count=f"{MOST_ROWS:,}"))
        if self.paused:
            parts.append(self.words["paused"])
        self.query_one("#title", Static).update(Text("   ".join(parts), no_wrap=True))
        text = missing_line(self.watching.sources, self.watching.heard, self.language)
        shown = self.query_one("#missing", Static)
        shown.update(Text(text))
        shown.styles.display = "block" if text else "none"

    def _show_overview(self, chosen: list[KernelSocket], counts: dict[State, int]) -> None:
        assert self.look is not None
        wide = self.size.width >= 110
        side = self.query_one("#counts", Static)
        width = self.size.width // 2 if wide else 34
        side.styles.width = width
        room = min(width - 25, _REMEMBERED)
        side.update(counts_table(counts, self.names, self.history, room, self.ascii_only))
        most = max(1, (self.size.height - 12) // 3)
        found = talkers(chosen, self.look, self.watching)
        table = talkers_table(found, most, self.language, self.ascii_only)
        self.query_one("#talkers", Static).update(table)

    def _show_list(self, chosen: list[KernelSocket]) -> None:
        table = self.query_one(DataTable)
        kept, left, top = table.cursor_row, table.scroll_x, table.scroll_y
        table.clear()
        assert self.look is not None
        for each in sorted(chosen, key=place_of)[:MOST_ROWS]:
            who = process_name(each, self.look, self.watching)
            age = self.watching.age_of(each, self.look.time)
            cells = socket_cells(each, who, age, self.names, self.language, self.ascii_only)
            table.add_row(*cells, key=str(each.cookie))
        table.move_cursor(row=min(kept, table.row_count - 1), animate=False, scroll=False)
        table.scroll_to(left, top, animate=False)

    def _show_socket(self, chosen: list[KernelSocket]) -> None:
        assert self.look is not None
        shown = self.query_one("#socket", Static)
        found = next((each for each in self.look.sockets if each.cookie == self.opened), None)
        if found is None:
            return  # it has ended: the last that was known stays
        grid = Table.grid(padding=(0, 2, 0, 0))
        who = process_name(found, self.look, self.watching)
        holders = self.look.holders.of(found.inode)
        if holders:
            who += "  " + holders[0].command
        info, age = connection_info(found), self.watching.age_of(found, self.look.time)
        group = self.watching.cgroups.path_of(found.cgroup)
        rows = socket_rows(info, who, group, age, self.names, self.language, self.ascii_only)
        half = (len(rows) + 1) // 2 if self.size.width >= 110 else len(rows)
        for place in range(half):
            row = [Text(rows[place][0], style="bold"), Text(rows[place][1])]
            if place + half < len(rows):
                name, value = rows[place + half]
                row += [Text(name, style="bold"), Text(value)]
            grid.add_row(*row)
        shown.update(grid)

    # the keys

    def action_page(self, name: str) -> None:
        """Show a page."""
        self.query_one(ContentSwitcher).current = name
        if name != "detail":
            self.query_one(f"#{name}").focus()
        self.refresh_view()

    def action_leave(self) -> None:
        """Leave the filter, or a socket for the list."""
        self.query_one("#filter", Input).styles.display = "none"
        if self.query_one(ContentSwitcher).current == "detail":
            self.action_page("list")

    def action_pause(self) -> None:
        """Stand still, or go on."""
        self.paused = not self.paused
        self.refresh_view()

    def action_names(self) -> None:
        """Spell the states in the other way."""
        self.names = "rfc" if self.names == "linux" else "linux"
        self.refresh_view()

    def action_filter(self) -> None:
        """Ask for a filter."""
        asked = self.query_one("#filter", Input)
        asked.styles.display = "block"
        asked.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the filter, or say what is wrong with it."""
        try:
            self.choice = choice_of(event.value)
        except ValueError as error:
            self.notify(said(str(error), self.language), severity="error")
            return
        for history in self.history.values():
            history.clear()
        event.input.styles.display = "none"
        self.set_focus(None)
        self.refresh_view()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Drill down."""
        key: Any = event.row_key.value
        if key is not None and key.isdecimal():
            self.opened = int(key)
            self.action_page("detail")
