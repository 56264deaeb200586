"""What the names in a source file are to TensorRT, and in which of its versions a condition holds."""

from __future__ import annotations

import ast
import re
from copy import copy

from tensorrt_api import ALL, MODULE, NOBODY, SURFACE, Versions, anywhere, having

from lib.trt.versions import FEATURES

PYTHON = "Python"  # the kind of an object that is none of TensorRT's
CALLED = {
    "trt": MODULE,
    "builder": "Builder",
    "config": "IBuilderConfig",
    "context": "IExecutionContext",
    "engine": "ICudaEngine",
    "error": "ParserError",
    "inspector": "EngineInspector",
    "layer": "ILayer",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "profile": "IOptimizationProfile",
    "runtime": "Runtime",
    "tensor": "ITensor",
    "timing_cache": "ITimingCache",
}
FEATURE = {feature.key: having(feature.path) for feature in FEATURES}
PREDICATES = {"typed": ALL - having("BuilderFlag.FP16")}


class Names:
    """The variables of a scope: `kinds`, what they are; `tests`, the checks whose results they hold."""

    def __init__(self, tree: ast.Module) -> None:
        self.kinds: dict[str, str] = {}  # variable -> class, MODULE or PYTHON
        self.tests: dict[str, ast.expr] = {}
        self.texts = texts(tree)
        self.asks_by_name = any(not isinstance(call.args[1], ast.Constant) for call in calls(tree, "hasattr"))

    def inner(self) -> Names:
        """A scope inside this one."""
        scope = copy(self)
        scope.kinds, scope.tests = dict(self.kinds), dict(self.tests)
        return scope

    def kind(self, node: ast.expr) -> str | None:
        """The class that an expression is or is an instance of, MODULE, PYTHON, or None where nothing tells."""
        match node:
            case ast.Name():
                return self.kinds.get(node.id) or CALLED.get(node.id.lstrip("_"))
            case ast.Attribute():
                owner = self.kind(node.value)
                path = node.attr if owner == MODULE else f"{owner}.{node.attr}"
                return path if path in SURFACE and path != MODULE else CALLED.get(node.attr.lstrip("_"))
            case ast.Call() if named(node) == "module":
                return MODULE
            case ast.Call(func=ast.Attribute() as made) if self.kind(made.value) == MODULE:
                return self.kind(made)
        return None

    def where(self, test: ast.expr) -> tuple[Versions, Versions]:
        """The versions in which a condition can hold, and those in which it can fail; ALL, ALL where it asks for no feature."""
        match test:
            case ast.UnaryOp(op=ast.Not()):
                return self.where(test.operand)[::-1]
            case ast.BoolOp():
                yes, no = zip(*map(self.where, test.values), strict=True)
                every = isinstance(test.op, ast.And)
                return (ALL.intersection(*yes), NOBODY.union(*no)) if every else (NOBODY.union(*yes), ALL.intersection(*no))
            case ast.Name() if test.id in self.tests:
                return self.where(self.tests[test.id])
            case ast.NamedExpr():
                return self.where(test.value)
            case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot() as how], comparators=[ast.Constant(value=None)]):
                return self.where(left)[:: 1 if isinstance(how, ast.IsNot) else -1]
            case ast.Compare(ops=[ast.Eq() | ast.NotEq() as how], comparators=[ast.Constant() | ast.Name() as one]) if self.asks_by_name:
                name = one.value if isinstance(one, ast.Constant) else self.texts.get(one.id)
                if isinstance(name, str) and re.fullmatch(r"[a-z]+_\w+", name) and anywhere(name):
                    return (anywhere(name), ALL) if isinstance(how, ast.Eq) else (ALL, anywhere(name))  # another may be chosen anywhere
            case ast.Call(args=[receiver, ast.Constant(value=str(name)), *_]) if named(test) in ("hasattr", "getattr"):
                kind = self.kind(receiver)
                versions = having(f"{kind}.{name}") or (NOBODY if kind == MODULE else anywhere(name))
                if kind != PYTHON and (versions or kind in SURFACE):
                    return versions, ALL - versions if named(test) == "hasattr" else ALL
            case ast.Call() if named(test) in PREDICATES:
                return PREDICATES[named(test)], ALL - PREDICATES[named(test)]
            case ast.Call():
                texts = [part.value for part in ast.walk(test) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
                if len(texts) == 1 and texts[0] in FEATURE:
                    return FEATURE[texts[0]], ALL - FEATURE[texts[0]]
        return ALL, ALL

    def declare(self, argument: ast.arg) -> None:
        """An argument is what its annotation says; Any says nothing."""
        said = ast.unparse(argument.annotation) if argument.annotation else "Any"
        self.kinds.pop(argument.arg, None)
        if "Any" not in said:
            self.kinds[argument.arg] = MODULE if "ModuleType" in said else PYTHON

    def learn(self, target: ast.expr, value: ast.expr) -> None:
        """A variable is what it was given last."""
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for one, given in zip(target.elts, value.elts, strict=True):
                self.learn(one, given)
        elif isinstance(target, ast.Name):
            self.kinds.pop(target.id, None)
            self.tests.pop(target.id, None)
            if kind := self.kind(value):
                self.kinds[target.id] = kind
            if self.where(value) != (ALL, ALL):
                self.tests[target.id] = value

    def bind(self, target: ast.expr, source: ast.expr) -> None:
        """The variables of a loop: of a Python object, if what is looped over is one."""
        for name in ast.walk(target):
            if isinstance(name, ast.Name):
                self.kinds.pop(name.id, None)
                if isinstance(source, ast.Name) and self.kinds.get(source.id) == PYTHON:
                    self.kinds[name.id] = PYTHON


def named(call: ast.Call) -> str:
    """What a call calls, without what stands before the last dot."""
    return call.func.id if isinstance(call.func, ast.Name) else call.func.attr if isinstance(call.func, ast.Attribute) else ""


def calls(node: ast.AST, name: str) -> list[ast.Call]:
    """The calls name(x, …) in a piece of source."""
    return [call for call in ast.walk(node) if isinstance(call, ast.Call) and named(call) == name and len(call.args) > 1]


def texts(tree: ast.Module) -> dict[str, str]:
    """The constants of a file that are text: A = "…", and A, B = "…", "…"."""
    found: dict[str, str] = {}
    for node in (node for node in tree.body if isinstance(node, ast.Assign)):
        target, value = node.targets[0], node.value
        several = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
        for name, text in zip(target.elts, value.elts, strict=False) if several else [(target, value)]:
            if isinstance(name, ast.Name) and isinstance(text, ast.Constant) and isinstance(text.value, str):
                found[name.id] = text.value
    return found


def same(call: ast.Call) -> str:
    """The first two arguments: hasattr(x, name) and getattr(x, name) are about the same member."""
    return ", ".join(ast.unparse(argument) for argument in call.args[:2])
