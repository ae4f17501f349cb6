"""The rules that matter: who imports whom, what the core may use, how long things get."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "gossip").rglob("*.py"), ROOT / "gossipd.py"])
TESTS = sorted((ROOT / "tests").glob("*.py"))
MODULE_LINES_MAX, FUNCTION_LINES_MAX = 300, 70

# What each part may import of gossip: itself, and those below it. Longest name wins.
MAY_IMPORT = {
    "gossip.core": {"gossip.core"},
    "gossip.config": {"gossip.config", "gossip.core"},
    "gossip.lookups": set(),
    "gossip.net": {"gossip.core", "gossip.lookups", "gossip.net"},
    "gossip.log": {"gossip.core", "gossip.log"},
    "gossip.ship": {"gossip.config", "gossip.core", "gossip.log", "gossip.lookups", "gossip.ship"},
    "gossip.shell": {"gossip.core", "gossip.shell"},
    "gossip.marked": {"gossip.core"},
    "gossip.sim": {"gossip.arguments", "gossip.config", "gossip.core", "gossip.sim", "gossip.marked"},
    "gossip.arguments": {"gossip.core"},
    "gossip.bench": {
        "gossip.bench",
        "gossip.core",
        "gossip.load",
        "gossip.log",
        "gossip.metrics",
        "gossip.net",
        "gossip.marked",
    },
    "gossip.metrics": {"gossip.core", "gossip.metrics"},
    "gossip.health": {"gossip.core"},
    "gossip.pages": {"gossip.core", "gossip.health", "gossip.shell"},
    "gossip.http": {
        "gossip.core",
        "gossip.daemon",
        "gossip.health",
        "gossip.log",
        "gossip.metrics",
        "gossip.net",
        "gossip.pages",
    },
    "gossip.bench.emitter": {"gossip.config", "gossip.core", "gossip.daemon", "gossip.log", "gossip.ship"},
    "gossip.load": {"gossip.arguments", "gossip.core", "gossip.load", "gossip.net", "gossip.store"},
    "gossip.store": {"gossip.core"},
    "gossip.keeper": {"gossip.core", "gossip.log", "gossip.store"},
    "gossip.secure": {"gossip.config", "gossip.core", "gossip.log", "gossip.net", "gossip.tuning"},
    "gossip.aliases": {"gossip.core", "gossip.log", "gossip.net"},
    "gossip.timers": {"gossip.core"},
    "gossip.pulling": {"gossip.core", "gossip.net"},
    "gossip.daemon": {
        "gossip.aliases",
        "gossip.core",
        "gossip.config",
        "gossip.net",
        "gossip.log",
        "gossip.shell",
        "gossip.store",
        "gossip.keeper",
        "gossip.pulling",
        "gossip.readings",
        "gossip.timers",
        "gossip.tuning",
        "gossip.secure",
    },
    "gossip.tuning": {"gossip.config", "gossip.core", "gossip.log"},
    "gossip.hangup": {"gossip.daemon"},
    "gossip.checking": {"gossip.config", "gossip.core", "gossip.secure"},
    "gossip.service": {"gossip.core", "gossip.daemon", "gossip.health", "gossip.log"},
    "gossip.readings": {"gossip.core", "gossip.net"},
    "gossip.control": {"gossip.core", "gossip.daemon", "gossip.log", "gossip.shell"},
    "gossip.process": {
        "gossip.config",
        "gossip.control",
        "gossip.core",
        "gossip.daemon",
        "gossip.hangup",
        "gossip.http",
        "gossip.log",
        "gossip.net",
        "gossip.service",
        "gossip.shell",
        "gossip.ship",
        "gossip.store",
    },
    "gossip.attach": {"gossip.arguments", "gossip.core", "gossip.shell"},
    "gossip.witness": {"gossip.core", "gossip.daemon"},
    "gossip.demo": {
        "gossip.core",
        "gossip.config",
        "gossip.daemon",
        "gossip.log",
        "gossip.process",
        "gossip.witness",
    },
    "gossip.cli": {
        "gossip.arguments",
        "gossip.attach",
        "gossip.checking",
        "gossip.config",
        "gossip.core",
        "gossip.demo",
        "gossip.load",
        "gossip.process",
        "gossip.sim",
    },
    "gossipd": {"gossip.cli"},
}
MAY_IMPORT_NODE = {"gossip.daemon", "gossip.sim", "gossip.bench"}
CORE_STDLIB = {
    "__future__",
    "collections",
    "dataclasses",
    "enum",
    "functools",
    "ipaddress",
    "itertools",
    "math",
    "random",
    "re",
    "typing",
}
CORE_BANNED = {
    "open": "return an effect; the daemon does the input and output",
    "print": "return an event or a value; the shell prints",
    "input": "take an argument",
    "exec": "nothing: the core runs no code from outside",
    "eval": "nothing: the core runs no code from outside",
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports_of(path: Path) -> Iterator[str]:
    """Yield every imported module or name in full, wherever in the file it is imported."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: import by the full name, not a relative one"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def part_of(module: str) -> str:
    parts = [part for part in MAY_IMPORT if is_within(module, part)]
    assert parts, f"{module} is in no part: name it in MAY_IMPORT with what it may import"
    return max(parts, key=len)


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_point_one_way(path: Path) -> None:
    if path == ROOT / "gossip" / "__init__.py":
        return
    part = part_of(module_name(path))
    for name in imports_of(path):
        if is_within(name, "gossip"):
            allowed = MAY_IMPORT[part]
            assert any(is_within(name, package) for package in allowed), (
                f"{module_name(path)} imports {name}: {part} may import only {sorted(allowed)}; "
                "pass a value or a callable in, or move the code down"
            )


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_only_the_interpreters_import_the_node(path: Path) -> None:
    importer = module_name(path)
    for name in imports_of(path):
        if is_within(name, "gossip.core.node"):
            assert any(is_within(importer, allowed) for allowed in MAY_IMPORT_NODE), (
                f"{importer} imports {name}: go through the daemon or the simulator"
            )


CORE = [path for path in SOURCES if is_within(module_name(path), "gossip.core")]


@pytest.mark.parametrize("path", CORE, ids=module_name)
def test_the_core_is_pure(path: Path) -> None:
    for name in imports_of(path):
        if is_within(name, "gossip"):
            continue
        assert name.split(".")[0] in CORE_STDLIB, (
            f"{module_name(path)} imports {name}: take the time as an Instant, randomness as a Random, "
            "and return effects for the rest"
        )
        if name.split(".")[0] == "random":
            assert name == "random.Random", f"{path}: imports {name}: draw from the Random passed in"
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            banned = node.func.id
            assert banned not in CORE_BANNED, f"{path}:{node.lineno}: {banned}(): {CORE_BANNED[banned]}"


SIM = [path for path in SOURCES if is_within(module_name(path), "gossip.sim")]


@pytest.mark.parametrize("path", SIM, ids=module_name)
def test_the_simulator_reads_no_clock_and_draws_from_its_seed(path: Path) -> None:
    for name in imports_of(path):
        assert name.split(".")[0] not in ("time", "datetime", "secrets", "uuid", "gevent"), (
            f"{module_name(path)} imports {name}: time comes from the Timeline, randomness from the seed"
        )
        if name.split(".")[0] == "random":
            assert name == "random.Random", f"{path}: imports {name}: draw from a Random made from the seed"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_only_the_entry_point_patches(path: Path) -> None:
    if path.name == "gossipd.py":
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("patch_"), (
                f"{path}:{node.lineno}: gossipd.py alone patches; import what you need from gevent"
            )


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=lambda path: path.name)
def test_modules_and_functions_stay_short(path: Path) -> None:
    text = path.read_text()
    lines = text.count("\n")
    assert lines <= MODULE_LINES_MAX, f"{path}: {lines} lines: split it where its parts talk least"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, (
                f"{path}:{node.lineno}: {node.name} has {length} lines: keep its branches, move leaves out"
            )


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_no_handler_swallows_our_own_bugs(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception")
            assert not broad, f"{path}:{node.lineno}: name the exceptions that are the other side's fault"


def test_the_readme_names_each_module_of_the_core_and_of_the_top_level() -> None:
    _, _, layout = (ROOT / "README.md").read_text().partition("## How the code is laid out")
    named = {"__init__.py", *re.findall(r"\w+\.py", layout)}
    for path in [*(ROOT / "gossip").glob("*.py"), *(ROOT / "gossip" / "core").glob("*.py")]:
        assert path.name in named, f"{path}: name it in README.md, How the code is laid out"


def test_every_module_says_what_it_is() -> None:
    for path in SOURCES:
        assert ast.get_docstring(tree_of(path)), f"{path}: begin it with a docstring"
