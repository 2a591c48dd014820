"""What the built package promises to those who install it, and the sizes and imports promised to those who read it."""

import ast
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import incidentkit

PACKAGE = Path(incidentkit.__file__).parent
REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))

OPTIONAL = {"apprise", "click", "cryptography", "icalendar", "jinja2", "opentelemetry", "psycopg", "rich", "starlette", "uvicorn"}
CORE = {"attrs", "cattrs", "httpx", "tenacity", "typing-extensions"}
BELOW_ENGINE = (
    *("errors.py", "settings.py", "ports.py", "model", "policy", "capture", "triage", "respond", "resolve", "automate", "lifecycle"),
    *("backends", "notifiers", "actions", "host", "runtime", "learn"),
)
SOURCES = sorted(PACKAGE.rglob("*.py"))


def name_of(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0]


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imports_at_module_level(tree: ast.Module) -> Iterator[str]:
    """Yield the top-level package of each import that runs when the module is imported (not those for type checkers, not relative ones)."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case ast.If(test=ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"), orelse=otherwise):
                pending += otherwise
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                pass
            case _:
                pending += [child for child in ast.walk(node) if child is not node and isinstance(child, ast.Import | ast.ImportFrom)]


def test_the_wheel_is_what_is_tested_when_nox_built_one():
    wheel = os.environ.get("INCIDENTKIT_TESTED_WHEEL")
    if wheel is None:
        pytest.skip("nox did not start this run")
    assert REPOSITORY / "src" not in PACKAGE.parents
    assert PACKAGE.parent.name == "site-packages"


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()


def test_every_file_that_is_not_python_reaches_the_installed_package():
    """A template or an SQL file that stays behind is found only by users."""
    tree = REPOSITORY / "src" / "incidentkit"
    wanted = {path.relative_to(tree) for path in tree.rglob("*") if path.is_file() and path.suffix not in {".pyc", ".py"}}
    assert {path for path in wanted if not (PACKAGE / path).is_file()} == set()


def test_the_core_needs_five_packages():
    assert {name_of(requirement) for requirement in PROJECT["project"]["dependencies"]} == CORE


def test_every_requirement_has_a_lower_bound():
    optional = PROJECT["project"]["optional-dependencies"]
    required = PROJECT["project"]["dependencies"] + [line for extra, lines in optional.items() if extra != "all" for line in lines]
    assert [requirement for requirement in required if ">=" not in requirement] == []


def test_all_has_every_extra():
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    assert set(everything.partition("[")[2].rstrip("]").split(",")) == set(extras) - {"all"}


def test_pytest_finds_the_plugin():
    (entry,) = (entry for entry in importlib.metadata.entry_points(group="pytest11") if entry.name == "incidentkit")
    assert entry.value == "incidentkit.testing.plugin"
    assert importlib.util.find_spec(entry.value) is not None


def test_the_installed_version_is_the_stated_one():
    assert importlib.metadata.version("incidentkit") == PROJECT["project"]["version"]


@pytest.mark.parametrize("path", [path for path in SOURCES if relative(path).startswith(BELOW_ENGINE)], ids=relative)
def test_no_file_below_engine_imports_an_optional_driver_at_module_level(path):
    """A service without PostgreSQL must not need psycopg; import-linter cannot tell a function's import from a module's."""
    assert OPTIONAL.intersection(imports_at_module_level(ast.parse(path.read_text("utf-8")))) == set()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_file_is_longer_than_600_lines_and_no_function_than_60(path):
    text = path.read_text("utf-8")
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    long = {f.name: lines for f in functions if f.end_lineno is not None and (lines := f.end_lineno - f.lineno + 1) > 60}
    assert long == {}
    assert len(text.splitlines()) <= 600


def test_importing_the_front_door_starts_nothing():
    """No thread, no log handler, no signal handler, no hook: a host decides when its process changes."""
    program = """
        import logging, signal, sys, threading
        state = lambda: (threading.active_count(), list(logging.root.handlers), sys.excepthook, threading.excepthook,
                         [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)])
        before = state()
        import incidentkit
        assert state() == before
    """
    ran = subprocess.run([sys.executable, "-c", "if True:" + program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import psycopg", {"psycopg"}),
        ("try:\n    from psycopg.rows import dict_row\nexcept ImportError:\n    pass", {"psycopg"}),
        ("class C:\n    import rich", {"rich"}),
        ("def f():\n    import psycopg", set()),
        ("if TYPE_CHECKING:\n    import psycopg", set()),
        ("from .psycopg import backend", set()),
    ],
)
def test_the_reader_of_imports_tells_a_module_from_a_function(source, found):
    assert set(imports_at_module_level(ast.parse(source))) == found
