"""The calls in a source file that may log a message, and what each can say: constant texts with holes between them.

A message may be an f-string, ``.format``, ``+``, ``%``, or a variable that was assigned in the same function, in one
branch or in several.
"""

import ast
import string
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product
from typing import NamedTuple

from ..capture.sanitize import clean_message
from ..grouping import SPECIFIER

#: How many ways in which one message can be made are followed; each branch that assigns to a variable is one way.
MAX_WAYS = 16
#: How many expressions deep an argument is looked into.
MAX_DEPTH = 40
#: A variable counts as so many expressions, because it may lead to itself and to several others.
VARIABLE_DEPTH = 12
NAME_LENGTH = 40

_LOGGING = {
    *("debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log"),
    *("msg", "trace", "success", "notice"),
}


class Hole(NamedTuple):
    """A place in a message where a value goes in."""

    name: str
    #: Whether the value is a parameter of the function, so that the function's callers decide what it says.
    is_parameter: bool = False


#: What a call can say.
Pattern = tuple[str | Hole, ...]


class Call(NamedTuple):
    """A call, the function that it is in, and what its arguments can say."""

    first_line: int
    last_line: int
    function: str
    is_logging: bool
    patterns: Sequence[Pattern]


class _Scope:
    """A function or the module: its parameters, and each value assigned to a variable, with True for ``+=``."""

    def __init__(self, function: str, parameters: set[str], module: "_Scope | None" = None) -> None:
        self.function = function
        self.parameters = parameters
        self.module = module
        self.assigned: dict[str, list[tuple[ast.expr, bool]]] = {}

    def find(self, name: str) -> list[tuple[ast.expr, bool]]:
        """Return what the variable is assigned in this function, or else in the module."""
        found = self.assigned.get(name, [])
        return self.module.find(name) if not found and self.module and name not in self.parameters else found


def read_calls(source: bytes) -> Sequence[Call]:
    """Return the calls of a module whose arguments have constant text in them; none if the source is not Python."""
    try:
        module = _Scope("<module>", set())
        found = list(_walk(ast.parse(source), module))
        calls = []
        for node, scope in found:
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            ways = [way for each in arguments for way in _ways(each, scope, MAX_DEPTH)]
            # Some loggers, such as structlog's, put the arguments into the message before the record is made.
            ways += [_compact(_percent(text, ast.Tuple(node.args[1:]), scope)) for text in _templates(node)]
            patterns = [way for way in ways if _says(way)]
            if patterns:
                last = node.end_lineno or node.lineno
                calls.append(Call(node.lineno, last, scope.function, _is_logging(node), patterns))
        return calls
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()


def _walk(tree: ast.AST, module: _Scope) -> Iterator[tuple[ast.Call, _Scope]]:
    """Yield every call with the function that it is in, and note the assignments in each function."""
    todo: list[tuple[ast.AST, _Scope]] = [(tree, module)]
    while todo:
        node, scope = todo.pop()
        if isinstance(node, ast.Call):
            yield node, scope
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            a = node.args
            named = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
            scope = _Scope(getattr(node, "name", "<lambda>"), {each.arg for each in named}, module)
        else:
            _note_assignment(node, scope)
        # pop() takes the last node first, so the reversed children come in the order of the source.
        todo += [(child, scope) for child in reversed(list(ast.iter_child_nodes(node)))]


def _note_assignment(node: ast.AST, scope: _Scope) -> None:
    match node:
        case ast.Assign(targets=targets, value=value):
            names = [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            names = [name]
        case ast.NamedExpr(target=ast.Name(id=name), value=value):
            names = [name]
        case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value):
            names = [name]
        case _:
            return
    for name in names:
        scope.assigned.setdefault(name, []).append((value, isinstance(node, ast.AugAssign)))


def _is_logging(node: ast.Call) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in _LOGGING


def _templates(node: ast.Call) -> Iterator[str]:
    """Yield the text that is a call's first argument, if other arguments follow."""
    match node.args:
        case [ast.Constant(value=str() as text), _, *_]:
            yield clean_message(text)


def _says(pattern: Pattern) -> bool:
    return any(any(map(str.isalpha, part)) for part in pattern if isinstance(part, str))


def _ways(node: ast.expr, scope: _Scope, depth: int) -> list[Pattern]:
    """Return what an expression can say; an expression whose text is not known here is a hole."""
    match node:
        case _ if depth <= 0:
            pass
        case ast.Constant(value=str() as text):
            return [(clean_message(text),)]
        case ast.JoinedStr(values=values):
            return [_compact(_f_string(values, scope))]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined(_ways(left, scope, depth - 1), _ways(right, scope, depth - 1))
        case ast.BinOp(left=left, op=ast.Mod(), right=right) if texts := _texts(left, scope, depth):
            return [_compact(_percent(text, right, scope)) for text in texts]
        case ast.Call(func=ast.Attribute(value=value, attr="format")) if texts := _texts(value, scope, depth):
            return [_compact(_format(text, node, scope)) for text in texts]
        case ast.IfExp(body=body, orelse=other):
            return [*_ways(body, scope, depth - 1), *_ways(other, scope, depth - 1)][:MAX_WAYS]
        case ast.BoolOp(values=values):
            return [way for each in values for way in _ways(each, scope, depth - 1)][:MAX_WAYS]
        case ast.Name(id=name) if found := scope.find(name):
            ways: list[Pattern] = [(_hole(node, scope),)] if name in scope.parameters else []
            for value, is_added in found[:MAX_WAYS]:
                new = _ways(value, scope, depth - VARIABLE_DEPTH)
                ways += _joined(ways, new) if is_added else new
            return ways[:MAX_WAYS]
    return [(_hole(node, scope),)]


def _texts(node: ast.expr, scope: _Scope, depth: int) -> list[str]:
    """Return the texts that an expression can be, as far as they have no hole."""
    return [way[0] for way in _ways(node, scope, depth - 1) if len(way) == 1 and isinstance(way[0], str)]


def _joined(first: Sequence[Pattern], second: Sequence[Pattern]) -> list[Pattern]:
    return [_compact([*one, *other]) for one, other in islice(product(first, second), MAX_WAYS)]


def _compact(parts: Iterable[str | Hole]) -> Pattern:
    """Return a pattern in which texts next to each other are one text, and holes next to each other one hole."""
    compact: list[str | Hole] = []
    for part in parts:
        before = compact[-1] if compact else None
        if isinstance(part, str) and isinstance(before, str):
            compact[-1] = before + part
        elif isinstance(part, Hole) and isinstance(before, Hole):
            compact[-1] = Hole(f"{before.name}}}{{{part.name}", before.is_parameter or part.is_parameter)
        elif part:
            compact.append(part)
    return tuple(compact)


def _f_string(values: Iterable[ast.expr], scope: _Scope) -> Iterator[str | Hole]:
    for each in values:
        if isinstance(each, ast.Constant):
            yield clean_message(str(each.value))
        elif isinstance(each, ast.FormattedValue):
            yield _hole(each.value, scope)


def _percent(text: str, right: ast.expr, scope: _Scope) -> Iterator[str | Hole]:
    values = iter(right.elts if isinstance(right, ast.Tuple) else [right])
    end = 0
    for found in SPECIFIER.finditer(text):
        yield text[end : found.start()]
        end = found.end()
        if found.group() == "%%":
            yield "%"
        elif found[1]:
            yield Hole(found[1].strip("()"))
        else:
            yield _hole(next(values, None), scope)
    yield text[end:]


def _format(text: str, call: ast.Call, scope: _Scope) -> Iterator[str | Hole]:
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    values = {str(number): value for number, value in enumerate(call.args)}
    for number, (constant, field, _, _) in enumerate(string.Formatter().parse(text)):
        yield constant
        if field is not None:
            yield _hole(named.get(field) or values.get(field or str(number)), scope)


def _hole(node: ast.expr | None, scope: _Scope) -> Hole:
    name = ast.unparse(node) if node else "…"
    is_parameter = isinstance(node, ast.Name) and node.id in scope.parameters
    return Hole(name if len(name) <= NAME_LENGTH and name.isprintable() else "…", is_parameter)
