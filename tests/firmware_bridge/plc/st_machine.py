"""Runs a function block of IEC 61131-3 Structured Text, scan by scan.

The text is parsed by blark, a grammar of others. What is compiled here is the small part of the language that the block
of the station is allowed to use, and strictly: both sides of an assignment, an
operation or a comparison must have the same type (a bare number takes the type it meets, if it fits), AND and OR do not
mix without parentheses, inputs and constants are not assigned, nothing is declared twice or used undeclared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

BITS = {"BOOL": 1, "WORD": 16, "DWORD": 32}
RANGES = {
    "INT": (-(2**15), 2**15 - 1),
    "UINT": (0, 2**16 - 1),
    "DINT": (-(2**31), 2**31 - 1),
    "UDINT": (0, 2**32 - 1),
    **{name: (0, 2**bits - 1) for name, bits in BITS.items() if bits > 1},
}
NUMBER = "a number"
Cells = dict[str, Any]
Code = Callable[[Cells], Any]


class Wrong(Exception):
    """What a compiler would refuse."""


def fits(kind: str, value: int) -> int:
    """The value in the range of its type, as a conversion keeps the low bits."""
    low, high = RANGES[kind]
    return (value - low) % (high - low + 1) + low


class Timer:
    """TON: Q comes when IN has been TRUE for PT, and goes with IN."""

    def __init__(self) -> None:
        self.since: int | None = None
        self.q = False

    def call(self, on: bool, preset_ms: int, now_ms: int) -> None:
        self.since = (now_ms if self.since is None else self.since) if on else None
        self.q = self.since is not None and now_ms - self.since >= preset_ms


class FunctionBlock:
    """An instance: `call(now_ms, **inputs)` is one scan, `[name]` any variable. `ran` has the statements that ran."""

    def __init__(self, text: str) -> None:
        import blark

        [block] = blark.parse_source_code(text).transform().items
        self.kinds: dict[str, Any] = {}
        self.fixed: set[str] = set()
        self.inputs: set[str] = set()
        self.first: Cells = {}
        for section in block.declarations:
            self._declare(section)
        self.statements: list[int] = []
        self.ran: set[int] = set()
        self._body = self._block(block.body)
        self.reset()

    def reset(self) -> None:
        """As after a cold start."""
        self.cells: Cells = {
            name: Timer() if kind == "TON" else list(self.first[name]) if isinstance(kind, tuple) else self.first[name]
            for name, kind in self.kinds.items()
        }

    def call(self, now_ms: int, **inputs: Any) -> None:
        for name, value in inputs.items():
            assert name.lower() in self.inputs, name
            self.cells[name.lower()] = value
        self.cells["now"] = now_ms
        self._body(self.cells)

    def __getitem__(self, name: str) -> Any:
        return self.cells[name.lower()]

    # -- declarations ------------------------------------------------------------------------------------------------

    def _declare(self, section: Any) -> None:
        section_kind = type(section).__name__
        constant = "CONSTANT" in str(getattr(section, "attrs", "")).upper()
        for item in section.items:
            spec = item.init.spec
            for variable in item.variables:
                name = str(variable.variable.name).lower()
                if name in self.kinds:
                    raise Wrong(f"{name} is declared twice")
                if constant or section_kind == "InputDeclarations":
                    self.fixed.add(name)
                if section_kind == "InputDeclarations":
                    self.inputs.add(name)
                if hasattr(spec, "subranges"):
                    [part] = spec.subranges
                    length = int(part.stop.value) + 1
                    self.kinds[name] = (str(spec.type.type_name), length)
                    self.first[name] = [0] * length
                else:
                    kind = self.kinds[name] = str(spec.type)
                    value = item.init.value
                    self.first[name] = self._literal(kind, value) if value else False if kind == "BOOL" else 0

    def _literal(self, kind: str, node: Any) -> Any:
        found, code = self._expression(node)
        return self._same(kind, (found, code), f"initial value of {kind}")[1]({})

    # -- statements --------------------------------------------------------------------------------------------------

    def _block(self, node: Any) -> Code:
        steps = [self._statement(statement) for statement in node.statements]

        def run(cells: Cells) -> None:
            for number, step in steps:
                self.ran.add(number)
                step(cells)

        return run

    def _statement(self, node: Any) -> tuple[int, Code]:
        self.statements.append(node.meta.line)
        kind = type(node).__name__
        return node.meta.line, getattr(self, f"_{kind}")(node)

    def _AssignmentStatement(self, node: Any) -> Code:  # noqa: N802
        [target] = node.variables
        name = str(target.name.name if hasattr(target, "elements") else target.name).lower()
        if name in self.fixed:
            raise Wrong(f"{name} is an input or a constant, and assigned")
        kind, _ = self._expression(target)
        _, code = self._same(kind, self._expression(node.expression), name)
        if hasattr(target, "elements"):
            _, index = self._expression(target.elements[0].subscripts[0])
            place = index({})
            return lambda cells: cells[name].__setitem__(place, code(cells))
        return lambda cells: cells.__setitem__(name, code(cells))

    def _IfStatement(self, node: Any) -> Code:  # noqa: N802
        branches = [
            (self._same("BOOL", self._expression(branch.if_expression), "IF")[1], self._block(branch.statements))
            for branch in (node, *node.else_ifs)
        ]
        otherwise = self._block(node.else_clause.statements) if node.else_clause else None

        def run(cells: Cells) -> None:
            for condition, body in branches:
                if condition(cells):
                    return body(cells)
            return otherwise(cells) if otherwise else None

        return run

    def _FunctionCallStatement(self, node: Any) -> Code:  # noqa: N802
        name = str(node.name.name).lower()
        if self.kinds.get(name) != "TON":
            raise Wrong(f"{name} is called and is no TON")
        given = {str(item.name.name): self._expression(item.value) for item in node.parameters}
        on = self._same("BOOL", given.pop("IN"), f"{name}.IN")[1]
        preset = self._same("TIME", given.pop("PT"), f"{name}.PT")[1]
        assert not given
        return lambda cells: cells[name].call(on(cells), preset(cells), cells["now"])

    # -- expressions -------------------------------------------------------------------------------------------------

    def _expression(self, node: Any) -> tuple[str, Code]:
        return getattr(self, f"_{type(node).__name__}")(node)

    def _same(self, kind: str, found: tuple[str, Code], where: str) -> tuple[str, Code]:
        if found[0] == NUMBER and kind in RANGES:
            low, high = RANGES[kind]
            if not low <= found[1]({}) <= high:
                raise Wrong(f"{where}: {found[1]({})} does not fit {kind}")
        elif found[0] != kind:
            raise Wrong(f"{where}: found {found[0]}, wanted {kind}")
        return kind, found[1]

    def _ParenthesizedExpression(self, node: Any) -> tuple[str, Code]:  # noqa: N802
        return self._expression(node.expr)

    def _UnaryOperation(self, node: Any) -> tuple[str, Code]:  # noqa: N802
        _, code = self._same("BOOL", self._expression(node.expr), "NOT")
        assert str(node.op).upper() == "NOT"
        return "BOOL", lambda cells: not code(cells)

    def _BinaryOperation(self, node: Any) -> tuple[str, Code]:  # noqa: N802
        op = str(node.op).upper()
        for side in (node.left, node.right):
            inner = str(getattr(side, "op", op)).upper()
            if type(side).__name__ == "BinaryOperation" and inner != op:
                raise Wrong(f"{inner} inside {op} without parentheses")
        left, right = self._expression(node.left), self._expression(node.right)
        kind = right[0] if left[0] == NUMBER else left[0]
        a, b = self._same(kind, left, op)[1], self._same(kind, right, op)[1]
        if op in ("AND", "OR"):
            if kind not in BITS:
                raise Wrong(f"{op} of {kind}")
            return kind, (lambda cells: a(cells) & b(cells)) if op == "AND" else (lambda cells: a(cells) | b(cells))
        if op in ("=", "<>"):
            return "BOOL", (lambda cells: a(cells) == b(cells)) if op == "=" else (lambda cells: a(cells) != b(cells))
        if op == "+" and kind in RANGES and kind not in BITS:
            return kind, lambda cells: fits(kind, a(cells) + b(cells))
        raise Wrong(f"{op} of {kind}")

    def _SimpleVariable(self, node: Any) -> tuple[str, Code]:  # noqa: N802
        name = str(node.name).lower()
        if name not in self.kinds:
            raise Wrong(f"{name} is not declared")
        return self.kinds[name], lambda cells: cells[name]

    def _MultiElementVariable(self, node: Any) -> tuple[str, Code]:  # noqa: N802
        name = str(node.name.name).lower()
        [element] = node.elements
        if hasattr(element, "field"):
            assert (self.kinds[name], str(element.field.name)) == ("TON", "Q")
            return "BOOL", lambda cells: cells[name].q
        kind, length = self.kinds[name]
        _, index = self._expression(element.subscripts[0])
        place = index({})
        if not 0 <= place < length:
            raise Wrong(f"{name}[{place}] is not in it")
        return kind, lambda cells: cells[name][place]

    def _FunctionCall(self, node: Any) -> tuple[str, Code]:  # noqa: N802
        name = str(node.name.name).upper()
        arguments = [self._expression(item.value) for item in node.parameters]
        if name in ("SHL", "SHR"):
            (kind, value), (_, by) = arguments
            assert kind in ("WORD", "DWORD")
            shift = by({})
            if name == "SHL":
                return kind, lambda cells: fits(kind, value(cells) << shift)
            return kind, lambda cells: value(cells) >> shift
        source, target = name.split("_TO_")
        assert source in RANGES
        assert target in RANGES
        [argument] = arguments
        _, value = self._same(source, argument, name)
        return target, lambda cells: fits(target, value(cells))

    def _Integer(self, node: Any) -> tuple[str, Code]:  # noqa: N802
        number = int(node.value)
        return NUMBER, lambda _: number

    def _HexInteger(self, node: Any) -> tuple[str, Code]:  # noqa: N802
        number = int(str(node.value), 16)
        return NUMBER, lambda _: number

    def _Boolean(self, node: Any) -> tuple[str, Code]:  # noqa: N802
        value = str(node.value).upper() == "TRUE"
        return "BOOL", lambda _: value

    def _Duration(self, node: Any) -> tuple[str, Code]:  # noqa: N802
        ms = int(node.milliseconds or 0) + 1000 * int(node.seconds or 0)
        return "TIME", lambda _: ms
