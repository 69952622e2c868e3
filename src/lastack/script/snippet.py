"""`%{ code }%`: a small evaluator of assertions over the `tcpi_*` values of a connection.

What Python has for statements is read by `ast` and never executed: assertions, assignments of
names, `print` (which says nothing). Expressions are numbers: arithmetic, bits, comparisons,
`and`, `or`, `not`, `x if c else y`, `abs`, `min`, `max`. Whatever else makes the script skipped.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Final

from lastack.script.symbols import Unknown
from lastack.script.verdict import Mismatch

_LARGEST: Final = 1 << 80
_MOST_NODES: Final = 2_000

_STATES: Final = (
    "ESTABLISHED", "SYN_SENT", "SYN_RECEIVED", "FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT", "CLOSED",
    "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING",
)  # fmt: skip
_LINUX_STATES: Final = (
    "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
    "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING",
)  # fmt: skip
CONSTANTS: Final[dict[str, int]] = {
    **{f"TCPI_{name}": number for number, name in enumerate(_STATES, 1)},
    **{f"TCP_{name}": number for number, name in enumerate(_LINUX_STATES, 1)},
    "TCP_CA_Open": 0,
    "TCP_CA_Disorder": 1,
    "TCP_CA_CWR": 2,
    "TCP_CA_Recovery": 3,
    "TCP_CA_Loss": 4,
    "TCPI_OPT_TIMESTAMPS": 1,
    "TCPI_OPT_SACK": 2,
    "TCPI_OPT_WSCALE": 4,
    "TCPI_OPT_ECN": 8,
    "TCPI_OPT_ECN_SEEN": 16,
    "TCPI_OPT_SYN_DATA": 32,
    "TCP_INFINITE_SSTHRESH": 0x7FFFFFFF,
}
"""States of both systems and bits, under Linux's numbers."""

_BINARY: Final[dict[type[ast.operator], Callable[[int, int], int]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.RShift: operator.rshift,
    ast.LShift: operator.lshift,
}
_COMPARE: Final[dict[type[ast.cmpop], Callable[[int, int], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_UNARY: Final[dict[type[ast.unaryop], Callable[[int], int]]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_CALLS: Final[dict[str, Callable[..., int]]] = {"abs": abs, "min": min, "max": max, "int": int}


class Snippets:
    """The snippets of one script: what one assigns, the next ones know."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self._facts: Mapping[str, int] = {}

    def run(self, code: str, facts: Mapping[str, int]) -> None:
        """Evaluate a snippet; `facts` are the `tcpi_*` values of this moment.

        Raises Mismatch when an assertion does not hold, Unknown for what cannot be evaluated.
        """
        self._facts = facts
        for statement in _read(code):
            self._statement(statement)

    def _statement(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Assert):
            if not self._value(statement.test):
                shown = ", ".join(self._shown(statement.test))
                raise Mismatch("an assertion does not hold", ast.unparse(statement.test), shown)
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            self._assign(statement.targets[0], self._value(statement.value))
        elif isinstance(statement, ast.AugAssign):
            there = self._value(ast.Name(_name(statement.target)))
            result = _operate(statement.op, there, self._value(statement.value))
            self._assign(statement.target, result)
        elif not isinstance(statement, ast.Pass) and not _is_print(statement):
            raise Unknown(f"{type(statement).__name__} in a snippet")

    def _assign(self, target: ast.expr, value: int) -> None:
        self.names[_name(target)] = value

    def _value(self, node: ast.expr) -> int:
        """Return the number of an expression."""
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return int(node.value)
        if isinstance(node, ast.Name):
            return self._look_up(node.id)
        if isinstance(node, ast.UnaryOp):
            return int(_UNARY[type(node.op)](self._value(node.operand)))
        if isinstance(node, ast.BinOp):
            return _operate(node.op, self._value(node.left), self._value(node.right))
        if isinstance(node, ast.BoolOp):
            wanted = isinstance(node.op, ast.Or)
            for part in node.values:
                value = self._value(part)
                if bool(value) is wanted:
                    break
            return value
        if isinstance(node, ast.Compare):
            return int(self._holds(node))
        if isinstance(node, ast.IfExp):
            return self._value(node.body if self._value(node.test) else node.orelse)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            function = _CALLS.get(node.func.id)
            if function is not None and node.args:
                return int(function(*[self._value(part) for part in node.args]))
        raise Unknown(f"{ast.unparse(node)} in a snippet")

    def _holds(self, node: ast.Compare) -> bool:
        left = self._value(node.left)
        for sign, part in zip(node.ops, node.comparators, strict=True):
            compare = _COMPARE.get(type(sign))
            if compare is None:
                raise Unknown(f"{ast.unparse(node)} in a snippet")
            right = self._value(part)
            if not compare(left, right):
                return False
            left = right
        return True

    def _look_up(self, name: str) -> int:
        for known in (self.names, self._facts, CONSTANTS):
            if name in known:
                return known[name]
        raise Unknown(f"{name} in a snippet")

    def _shown(self, node: ast.expr) -> list[str]:
        """Return `name = value` for every variable of an expression."""
        names = [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
        return [
            f"{name} = {self._look_up(name)}"
            for name in dict.fromkeys(names)
            if name not in _CALLS and (name not in CONSTANTS or name in self.names)
        ]


def _read(code: str) -> list[ast.stmt]:
    """Return the statements. There are no blocks, so where a line begins says nothing."""
    code = re.sub(r"\\\s*(\n|$)", " ", code)
    code = "\n".join(line.strip().rstrip(";").rstrip() for line in code.splitlines())
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Unknown("a snippet that is not Python") from None
    if sum(1 for _ in ast.walk(tree)) > _MOST_NODES:
        raise Unknown("a snippet that is very long")
    return tree.body


def _name(target: ast.expr) -> str:
    if not isinstance(target, ast.Name):
        raise Unknown(f"{ast.unparse(target)} = in a snippet")
    return target.id


def _is_print(statement: ast.stmt) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return (
        isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print"
    )


def _operate(sign: ast.operator, left: int, right: int) -> int:
    """Return the result of an operation; numbers stay small, so that nothing takes long."""
    operation = _BINARY.get(type(sign))
    if operation is None:
        raise Unknown(f"{type(sign).__name__} in a snippet")
    if isinstance(sign, ast.LShift | ast.RShift) and not 0 <= right <= 64:
        raise Unknown(f"a shift by {right} in a snippet")
    try:
        result = operation(left, right)
    except ZeroDivisionError:
        raise Unknown("a division by zero in a snippet") from None
    if abs(result) > _LARGEST:
        raise Unknown("a very large number in a snippet")
    return result
