"""Public is what a folder's `__init__` lists in `__all__`: every folder has one, every name is there, and none needs an extra."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import incidentkit
from incidentkit.errors import MissingExtraError

ROOT = Path(incidentkit.__file__).parent
OPTIONAL = ["apprise", "click", "cryptography", "icalendar", "jinja2", "opentelemetry", "psycopg", "rich", "starlette", "uvicorn"]
FOLDERS = sorted({path.parent for path in ROOT.rglob("*.py")})


def name_of(folder: Path) -> str:
    return ".".join(["incidentkit", *folder.relative_to(ROOT).parts])


NAMES = [name_of(folder) for folder in FOLDERS]
each_package = pytest.mark.parametrize("name", NAMES)


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_every_folder_has_an_init_with_one_sentence_at_its_head(folder):
    init = folder / "__init__.py"
    assert init.is_file(), "a folder without __init__.py is a namespace package: anybody may add to it"
    docstring = ast.get_docstring(ast.parse(init.read_text("utf-8")))
    assert docstring, "say what belongs here and what does not"
    assert docstring.partition("\n\n")[0].rstrip().endswith("."), "the head is a sentence"


@each_package
def test_every_package_lists_its_public_names_once(name):
    listed = importlib.import_module(name).__all__
    assert isinstance(listed, list | tuple)
    assert len(set(listed)) == len(listed)


@each_package
def test_every_listed_name_resolves(name):
    module = importlib.import_module(name)
    missing = []
    for public in module.__all__:
        try:
            getattr(module, public)
        except AttributeError:
            missing.append(public)
        except MissingExtraError:
            continue  # it is there, and says which line installs it
    assert missing == []


@each_package
def test_nothing_public_is_left_off_the_list(name):
    """A name of ours that `__init__` imports without an underscore is used by somebody as if it were promised."""
    module = importlib.import_module(name)
    unlisted = [
        public
        for public, value in vars(module).items()
        if not public.startswith("_") and public not in module.__all__ and not isinstance(value, ModuleType)
        if str(getattr(value, "__module__", "")).startswith("incidentkit")
    ]
    assert unlisted == []


@each_package
def test_dir_shows_every_listed_name(name):
    """Names resolved on demand (PEP 562) are invisible to completion unless `__dir__` tells them."""
    module = importlib.import_module(name)
    assert set(module.__all__) <= set(dir(module))


def test_an_unknown_name_is_an_attribute_error():
    """`hasattr`, `copy` and pickle ask modules for names that are not there; a lazy front door must answer like a plain one."""
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = incidentkit.nothing_of_that_name


def test_every_package_can_be_imported_without_any_extra():
    """Also where the extras are installed, so they are made to look missing (httpx takes click and rich by itself when they are there)."""
    program = f"""
import importlib, sys
for optional in {OPTIONAL!r}:
    sys.modules[optional] = None  # the import statement then raises ModuleNotFoundError
for name in {NAMES!r}:
    importlib.import_module(name)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
