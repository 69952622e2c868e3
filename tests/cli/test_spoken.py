"""Help and errors in Chinese: none is missing, none is left over, columns are straight."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from lastack.cli.error_words import ERRORS
from lastack.cli.help_pages import Formatter
from lastack.cli.help_words import HELP
from lastack.cli.main import COMMANDS, lastack, main
from lastack.cli.spoken import language_in, said

CHINESE = re.compile("[一-鿿]")
SOURCES = Path(__file__).parents[2] / "src" / "lastack"
WHERE = (
    "cli/*.py", "services/addresses.py", "services/client.py", "link/tun.py", "link/kernel_side.py",
    "observe/*.py", "wire/capture.py", "wire/batches.py", "check/carrier.py", "script/apart.py",
    "script/run.py",
)  # fmt: skip
"""Where that is said which ends a command."""
RAISED = {
    "UsageError", "ClickException", "BadParameter", "ValueError", "NoDevice", "_NoPrivilege",
    "device_error", "CaptureError", "need",
}  # fmt: skip
SENTENCES = ("sentence", "problem")
MADE_OF_PARTS = {
    "{} is no {}; write it as {}", "{}. If it is yours, say --i-own-this-host", "{}: {}",
}  # fmt: skip
"""Of which each whole is tried on a command line."""
TO_PROGRAMS = {
    "side is {}, not {}", "interface {} has not been added",
    "a time of 0 to 2**64 - 1 nanoseconds, not {}",
}  # fmt: skip
"""Said to who calls the library in a wrong way: no command does."""


def asked_for() -> set[str]:
    """All that the pages of help ask to have said in Chinese."""
    asked = set()

    def spoken(text: str) -> str:
        asked.add(" ".join(text.split()))
        return said(text, "zh")

    group = click.Context(lastack, info_name="lastack")
    for name in ("", *COMMANDS):
        command = lastack.get_command(group, name) if name else lastack
        assert command is not None
        context = click.Context(command, info_name=name) if name else group
        command.format_help(context, Formatter(spoken, 98, 100))
    return asked


def run(*words: str, locale: str = "C.UTF-8", columns: int = 80) -> str:
    runner = CliRunner(env={"LC_ALL": locale})
    done = runner.invoke(lastack, words, terminal_width=columns)
    assert done.exit_code == 0, done.output
    return done.output


def test_every_sentence_of_help_has_its_chinese_and_none_is_left_over() -> None:
    """Words alone can be missing; values, names of options and notation stay as they are."""
    asked = {text for text in asked_for() if not re.match(r"(sudo )?lastack |curl ", text)}
    sentences = {text for text in asked if re.search("[A-Za-z]{2,} [a-z]|[a-z]{3,}[.:]$", text)}
    assert sorted(text for text in sentences if text not in HELP) == []
    assert sorted(HELP.keys() - asked) == []
    names = {"{bash|zsh|fish}", "URL", "N"}
    assert all(CHINESE.search(words) for text, words in HELP.items() if text not in names)


@pytest.mark.parametrize("name", ["", *COMMANDS])
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_pages_fit_and_their_columns_are_straight(name: str, columns: int) -> None:
    """By the cells of a terminal, where a Chinese character takes two."""
    words = [name, "--lang", "zh", "--help"] if name else ["--lang", "zh", "--help"]
    lines = run(*words, columns=columns).splitlines()
    own = [line for line in lines if not re.match(r"  (sudo |lastack|curl|bash|zsh|fish)", line)]
    assert max(map(cell_len, own)) <= columns
    assert lines[0].startswith(f"用法：lastack {name}".rstrip())
    begins = set()
    for line in lines[lines.index("选项：") + 1 :]:
        if found := re.match(r"(  -.*?\S) {2,}(?=\S)", line):
            begins.add(cell_len(found[0]))
    assert len(begins) == 1, begins


@pytest.mark.parametrize(
    ("words", "language"),
    [
        ("demo --lang zh --help", "zh"),
        ("demo --help --lang zh", "zh"),
        ("demo --help --lang=zh", "zh"),
        ("--lang zh demo --help", "zh"),
        ("demo --help", "en"),
        ("demo --help -- --lang zh", "en"),
        ("demo --help --lang fr", "en"),
    ],
)
def test_the_language_is_known_before_help_is_printed(words: str, language: str) -> None:
    """Wherever the option stands; the locale counts where there is none."""
    assert language_in(words.split(), {}) == language
    page = run(*words.split())
    assert page.startswith("用法：" if language == "zh" else "Usage: ")
    assert run("demo", "--help", locale="zh_CN.UTF-8").startswith("用法：")
    assert run("demo", "--help", "--lang", "en", locale="zh_CN.UTF-8").startswith("Usage: ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--lang zh", "缺少命令。"),
        ("nothing --lang zh", "没有命令 'nothing'。"),
        ("why --lang zh", "缺少参数 '状态'。"),
        ("why NONSENSE --lang zh", "'状态' 的值无效：没有 TCP 状态 'NONSENSE'；十一个状态是"),
        ("demo --sed 1 --lang zh", "没有选项 '--sed'。"),
        ("demo x --lang zh", "多余的参数（x）"),
        ("demo x y --lang zh", "多余的参数（x y）"),
        ("demo --seed x --lang zh", "'--seed' 的值无效：'x' 不是有效的整数。"),
        ("demo --loss x --lang zh", "'x' 不是概率；请写成 0.05 或 5%"),
        ("demo --delay x --lang zh", "'x' 不是时间；请写成 20ms、1.5s 或 2min"),
        ("demo --bytes x --lang zh", "'x' 不是大小；请写成 4k、1MiB 或 1500"),
        ("compete --controllers reno --rate x --lang zh", "'x' 不是速率；请写成 10mbit"),
        ("compete --controllers reno --queue x --lang zh", "'x' 不是队列；请写成 1bdp"),
        ("demo --preset x --lang zh", "'x' 不在 'rfc', 'linux', 'freebsd' 之中。"),
        ("demo --rst=1 --lang zh", "选项 '--rst' 不带值。"),
        ("demo --lang zh --seed", "选项 '--seed' 需要一个值。"),
        ("demo --lang zh --rst --half-close", "--rst 不能与"),
        ("demo --lang zh --bytes 1g", "--bytes 至多 67,108,864"),
        ("demo --lang zh --svg /", "文件 '/' 是一个目录。"),
        ("serve --lang zh", "缺少参数"),
        ("serve --lang zh --link tun:x x", "'x' 缺少前缀长度"),
        ("serve --lang zh --link eth0 10.0.0.1/24", "'eth0' 不是链路"),
        ("serve --lang zh --link tun:x --mtu 3 10.0.0.1/24", "3 不在范围 1280<=x<=65535 之内。"),
        ("check --lang zh 10.255.0.1:9", "10.255.0.1 不是本机的地址。如果它属于你"),
        ("check --lang zh 10.255.0.1", "不是目标；请写成 10.0.0.2:80"),
        ("read --lang zh", "请给出抓包文件"),
        ("read --lang zh /nowhere/at/all", "没有那个文件或目录：/nowhere/at/all"),
        ("read --lang zh server", "没有那个文件或目录：server"),
        ("read --lang zh /dev/null", "不是抓包文件：不足四个字节"),
        ("read --lang zh - --verdict x", "没有结论 'x'；有 "),
        ("read --lang zh - --count 3", "要与 -i 同用"),
        ("watch --lang zh --host 1.2.3", "'1.2.3' 不是 IPv4 或 IPv6 地址"),
        ("watch --lang zh --kill", "--kill 需要选择条件"),
        ("script --lang zh --knob a=1 .", "没有参数 'a'"),
        ("compete --lang zh --controllers a", "也不是 FILE.py:CLASS"),
        ("completion --lang zh", "可选："),
    ],
)
def test_errors_are_told_in_the_language(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on stderr, with where help is found; its English words are those of the caller."""
    with pytest.raises(SystemExit) as left:
        main(words.split())
    assert left.value.code in (1, 2, 3)
    output = capsys.readouterr().err
    assert output.startswith("lastack: ") and told in output, output
    if "--help" in output:
        assert re.search(r"（见 lastack( \w+)? --help）$", output.strip())
        assert "see lastack" not in output


def sentences(node: ast.expr) -> Iterator[str]:
    """The sentences that an expression may be, `{}` for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = (p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
        yield "".join(map(str, parts))
    elif isinstance(node, ast.IfExp):
        yield from sentences(node.body)
        yield from sentences(node.orelse)


def raised(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            for given in node.args if name in RAISED else ():
                yield from sentences(given)
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in SENTENCES:
            yield from sentences(node.value)


def test_what_ends_a_command_has_its_chinese() -> None:
    """All that is raised by the commands, and by the devices and addresses they are given."""
    found = [each for where in WHERE for path in SOURCES.glob(where) for each in raised(path)]
    assert len(found) > 50
    missing = []
    for form in found:
        sentence = form.replace("{}: {}", "x1: x1").replace("{}", "x1")
        if " " in sentence and not CHINESE.search(said(sentence, "zh")):
            missing.append(form)
    assert sorted(set(missing) - MADE_OF_PARTS - TO_PROGRAMS) == []


def test_both_forms_of_an_error_have_the_same_values() -> None:
    """Nothing that was said is lost, and every Chinese one is Chinese."""
    for english, chinese in ERRORS.items():
        named = re.findall(r"\{(\w+)\}", chinese)
        assert set(named) <= set(re.findall(r"\{(\w+)\}", english)), english
        assert CHINESE.search(chinese) or english in ("10mbit or 1gbit", "{message}: {why}")


@pytest.mark.parametrize(
    "words", ["demo --loss 20% --seed 3 --json", "states LAST-ACK --names rfc"]
)
def test_json_is_of_no_language(words: str) -> None:
    """What a program reads does not change with the locale, but for the texts of the states."""
    english, chinese = (run(*words.split(), "--lang", lang) for lang in ("en", "zh"))
    assert (english == chinese) == ("--json" in words)


def test_english_stays_as_it_is_said() -> None:
    """Whatever is not in the tables is a name, in Chinese too."""
    for sentence in ("Same seed, same output.", "no TCP state 'X'; the eleven are Y"):
        assert said(sentence, "en") == sentence
    assert said("10.0.0.1:80", "zh") == "10.0.0.1:80"
