"""Which members of TensorRT's API a source file uses, and which versions lack them where it uses them.

The API of each version is what its bindings have (tests/data/tensorrt_api.json). A file is read, not run: along its
statements goes the set of versions that can get there, narrowed by every check on the way:

- `hasattr(x, "name")`, `getattr(x, "name", None)`, also through a variable, with `not`, `and`, `or` and early exits;
- `typed(trt)`, and any call in a condition with the key of one of lib.trt.versions.FEATURES: `has("bindings")`;
- `api == "execute_async_v2"`, in a file that asks `hasattr` for such a name before it takes it;
- `try: … except AttributeError`;
- a docstring, of a module, class or function, that says: needs feature "bindings".

A member belongs to TensorRT where its object is the module, one of its classes or an object called like one (CALLED). For any other
object the name alone decides: one with "_" or a capital in it counts if some TensorRT class has it, a plain word
(`size`, `format`, `read`) is taken for Python's own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from tensorrt_api import ALL, MODULE, NOBODY, SURFACE, VERSIONS, Versions, anywhere, having
from tensorrt_names import FEATURE, PYTHON, Names, calls, named, same

NEEDS = re.compile(r'needs\s+feature\s+"(\w+)"', re.IGNORECASE)


def problems(source: str, file: str) -> list[str]:
    """One line for each use of a member that a version lacks which can get there: file, line, member, versions."""
    tree = ast.parse(source)
    return _Reader(tree, file).found


class _Reader:
    def __init__(self, tree: ast.Module, file: str) -> None:
        self.file = file
        self.found: list[str] = []
        self.names = Names(tree)
        self.own: set[str] = set()  # what the class around defines on self
        self.asked: set[str] = set()  # what the function around asks hasattr for
        self.marked = False  # whether a docstring around says what is needed
        self._inside(tree, ALL)

    # Statements: each gives the versions that go on to the next

    def _block(self, statements: Iterable[ast.stmt], here: Versions) -> Versions:
        for statement in statements:
            here = self._statement(statement, here)
        return here

    def _statement(self, node: ast.stmt, here: Versions) -> Versions:
        match node:
            case ast.If():
                self._expression(node.test, here)
                yes, no = self.names.where(node.test)
                return self._block(node.body, here & yes) | self._block(node.orelse, here & no)
            case ast.Assert():
                self._expression(node.test, here)
                return here & self.names.where(node.test)[0]
            case ast.While() | ast.For():
                self._loop(node, here)
            case ast.With():
                for item in node.items:
                    self._expression(item.context_expr, here)
                return self._block(node.body, here)
            case ast.Try():
                return self._try(node, here)
            case ast.Match():
                self._expression(node.subject, here)
                for case in node.cases:
                    self._block(case.body, here)
            case ast.FunctionDef() | ast.ClassDef():
                self._definition(node, here)
            case ast.Import() | ast.ImportFrom():
                self.names.kinds |= {(alias.asname or alias.name).split(".")[0]: PYTHON for alias in node.names}
            case ast.AnnAssign() if node.value is not None:
                self._expression(node.value, here)
            case ast.AnnAssign():
                pass
            case _:
                self._children(node, here)
                if isinstance(node, ast.Assign):
                    self.names.learn(node.targets[0], node.value)
        return NOBODY if isinstance(node, ast.Return | ast.Raise | ast.Continue | ast.Break) else here

    def _loop(self, node: ast.While | ast.For, here: Versions) -> None:
        if isinstance(node, ast.While):
            self._expression(node.test, here)
            self._block(node.body, here & self.names.where(node.test)[0])
        else:
            self._expression(node.iter, here)
            self.names.bind(node.target, node.iter)
            self._block(node.body, here)
        self._block(node.orelse, here)

    def _try(self, node: ast.Try, here: Versions) -> Versions:
        asks = any(handler.type is not None and "AttributeError" in ast.unparse(handler.type) for handler in node.handlers)
        after = self._block(node.body, NOBODY if asks else here)
        after = self._block(node.orelse, here if asks else after)
        for handler in node.handlers:
            after |= self._block(handler.body, here)
        self._block(node.finalbody, here)
        return after

    def _definition(self, node: ast.FunctionDef | ast.ClassDef, here: Versions) -> None:
        before = self.names, self.own, self.asked, self.marked
        self.names = self.names.inner()
        outside = [*node.decorator_list]
        if isinstance(node, ast.ClassDef):
            outside += node.bases
            self.own = _defined(node)
        else:
            outside += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
                self.names.declare(argument)
        for expression in outside:
            self._expression(expression, here)
        self._inside(node, here)
        self.names, self.own, self.asked, self.marked = before

    def _inside(self, node: ast.Module | ast.FunctionDef | ast.ClassDef, here: Versions) -> None:
        needed = NEEDS.findall(ast.get_docstring(node) or "")
        self.marked = self.marked or bool(needed)
        if not isinstance(node, ast.Module):
            self.asked = self.asked | {same(call) for call in calls(node, "hasattr")}
        for key in needed:
            if key not in FEATURE:
                self.found.append(f"{self.file}: a docstring needs feature '{key}', which lib.trt.versions.FEATURES does not have")
            here = here & FEATURE.get(key, ALL)
        self._block(node.body, here)

    # Expressions

    def _children(self, node: ast.AST, here: Versions) -> None:
        for child in ast.iter_child_nodes(node):
            self._expression(child, here)

    def _expression(self, node: ast.AST, here: Versions) -> None:
        match node:
            case ast.BoolOp():
                for value in node.values:
                    self._expression(value, here)
                    here = here & self.names.where(value)[0 if isinstance(node.op, ast.And) else 1]
            case ast.IfExp():
                yes, no = self.names.where(node.test)
                for part, versions in ((node.test, here), (node.body, here & yes), (node.orelse, here & no)):
                    self._expression(part, versions)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                self._comprehension(node, here)
            case ast.Attribute():
                self._check(node, node.value, node.attr, here)
                self._children(node, here)
            case ast.Call(args=[receiver, name]) if named(node) == "getattr":
                if isinstance(name, ast.Constant):
                    self._check(node, receiver, name.value, here)
                elif self.names.kind(receiver) in SURFACE and not self.marked and same(node) not in self.asked:
                    self._report(node, f"{ast.unparse(node)}, a name that is computed and not checked,", here)
                self._children(node, here)
            case _:
                self._children(node, here)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, here: Versions) -> None:
        before, self.names = self.names, self.names.inner()
        for generator in node.generators:
            self._expression(generator.iter, here)
            self.names.bind(generator.target, generator.iter)
            for condition in generator.ifs:
                self._expression(condition, here)
                here = here & self.names.where(condition)[0]
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self._expression(part, here)
        self.names = before

    def _check(self, node: ast.AST, receiver: ast.expr, name: str, here: Versions) -> None:
        kind = self.names.kind(receiver)
        mine = isinstance(receiver, ast.Name) and receiver.id in ("self", "cls") and name in self.own
        if kind == PYTHON or mine or name.startswith("_"):
            return
        from_module = kind == MODULE or (
            isinstance(receiver, ast.Attribute) and self.names.kind(receiver.value) == MODULE and kind in SURFACE
        )
        if from_module or name in SURFACE.get(kind or "", {}):
            lacking, shown = here - having(f"{kind}.{name}"), name if kind == MODULE else f"{kind}.{name}"
        elif re.search(r"[A-Z_]", name) and anywhere(name):
            lacking, shown = here - anywhere(name), f".{name}"
        else:
            return
        if lacking:
            self._report(node, shown, lacking)

    def _report(self, node: ast.AST, shown: str, lacking: Versions) -> None:
        listed = ", ".join(version for version in VERSIONS if version in lacking)
        self.found.append(f"{self.file}:{node.lineno}: {shown} {'may not be' if 'getattr' in shown else 'is not'} in TensorRT {listed}")


def _defined(node: ast.ClassDef) -> set[str]:
    """What a class defines: methods, fields, and what its methods assign to self."""
    stored = {
        part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store) and _self(part.value)
    }
    fields = {part.target.id for part in node.body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)}
    return stored | fields | {part.name for part in node.body if isinstance(part, ast.FunctionDef)}


def _self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"
