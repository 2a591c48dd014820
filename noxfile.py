"""
What is checked, and how. `nox` alone runs what must pass before a change lands: lint, types, tests, docs.

Needs CPython and pip, nothing else. An interpreter that this machine lacks is reported as skipped.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.default_venv_backend = "venv"
nox.options.download_python = "never"  # a missing interpreter is skipped, never fetched
nox.options.error_on_missing_interpreters = False  # nox turns this on where CI is set; one interpreter is enough to check a change
nox.options.stop_on_first_error = False

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13"]


def group(name: str) -> tuple[str, ...]:
    """Return the requirements of the dependency group *name*."""
    return nox.project.dependency_groups(PROJECT, name)


def build_wheel(session: nox.Session) -> Path:
    """Return the path of a wheel just built from this tree."""
    where = Path(session.create_tmp()) / "wheel"
    for stale in where.glob("*.whl"):
        stale.unlink()
    session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(where), str(ROOT), silent=True)
    (wheel,) = where.glob("*.whl")
    return wheel


def install_wheel(session: nox.Session, *groups: str, extras: str = "", constraints: tuple[str, ...] = ()) -> dict[str, str]:
    """Install the built wheel and *groups*; return the environment that lets tests/unit/test_packaging.py see that it is the wheel."""
    wheel = build_wheel(session)
    needs = [requirement for name in groups for requirement in group(name)]
    session.install("--force-reinstall", "--no-deps", str(wheel))  # a reused session would keep the older wheel of the same version
    session.install(f"{wheel}{extras}", *needs, *constraints)
    return {"INCIDENTKIT_TESTED_WHEEL": str(wheel)}


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff and the import contracts. No formatter: the code is dense on purpose, up to 140 columns, and aligned where that helps."""
    session.install(*group("lint"), str(ROOT))  # the dependencies are installed for the contracts that name them
    session.run("ruff", "check", "--no-cache", "--output-format=concise", ".")
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": str(ROOT / "src")})


@nox.session
def types(session: nox.Session) -> None:
    """Mypy --strict over the source and the typing tests, pyright over the source."""
    session.install("-e", f"{ROOT}[all]", *group("types"), *group("test"))
    session.run("mypy")
    session.run("pyright", "--warnings", env={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})  # else it warns of each newer release of itself


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests in random order against the built wheel; the Python blocks of README.md and docs/ are among them."""
    env = install_wheel(session, "test", extras="[all]")
    session.run("pytest", *session.posargs, env=env)


@nox.session
def docs(session: nox.Session) -> None:
    """The site and the next changelog; a warning fails. The examples on the pages run with the tests."""
    session.install(*group("docs"), str(ROOT))
    out = session.create_tmp()
    # NO_MKDOCS_2_WARNING: the theme's notice about a later MkDocs is not about our pages.
    session.run("mkdocs", "build", "--strict", "--quiet", "--site-dir", f"{out}/site", env={"NO_MKDOCS_2_WARNING": "true"})
    session.run("towncrier", "build", "--draft", "--version", "next", silent=True)


@nox.session
def coverage(session: nox.Session) -> None:
    """Branch coverage; the parts that decide must have all of it."""
    env = install_wheel(session, "test", "coverage", extras="[all]")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *session.posargs, env=env)
    session.run("coverage", "combine")
    decides = ",".join(f"*/incidentkit/{name}/*" for name in ("model", "triage", "respond", "resolve", "automate", "lifecycle"))
    session.run("coverage", "report")
    session.run("coverage", "report", f"--include={decides}", "--fail-under=100")


@nox.session
def simulate(session: nox.Session) -> None:
    """The long simulation: many seeds, hours of virtual time. `nox -s simulate -- --seed 7` repeats one."""
    env = install_wheel(session, "test", extras="[all]")
    session.run("pytest", "tests/simulation", "--long", *session.posargs, env=env)


@nox.session
def bench(session: nox.Session) -> None:
    """The table of DESIGN.md section 9, on this machine."""
    env = install_wheel(session, "test", extras="[all]")
    session.run("python", "benchmarks/table.py", *session.posargs, env=env)


@nox.session
def lowest(session: nox.Session) -> None:
    """All tests on the oldest releases that pyproject.toml allows."""
    lower = [requirement.replace(">=", "==") for requirement in PROJECT["project"]["dependencies"]]
    env = install_wheel(session, "test", extras="[all]", constraints=tuple(lower))
    # The old typing-extensions brings an old anyio, whose pytest plugin (not ours, not used) warns under a new pytest.
    session.run("pytest", "-p", "no:anyio", *session.posargs, env=env)


@nox.session
@nox.parametrize("extra", sorted(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]))
def extras(session: nox.Session, extra: str) -> None:
    """Every extra alone, and what the packaging promises with only that one installed."""
    env = install_wheel(session, extras=f"[{extra}]")
    session.install("pytest", "hypothesis", "sybil", "pytest-randomly")
    session.run("pytest", "tests/unit/test_packaging.py", "tests/unit/test_public_names.py", env=env)
