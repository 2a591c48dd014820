"""From a URL to a backend, without opening anything."""

from pathlib import Path

import pytest

from incidentkit.backends import MemoryBackend, SqliteBackend, backend_from_url
from incidentkit.errors import ConfigurationError
from incidentkit.ports import Backend


def test_memory():
    assert isinstance(backend_from_url("memory://"), MemoryBackend)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///incidents.db", "incidents.db"),
        ("sqlite:///var/incidents.db", "var/incidents.db"),
        ("sqlite:////srv/app/incidents.db", "/srv/app/incidents.db"),
        ("SQLite:////srv/app/x.db", "/srv/app/x.db"),
        ("sqlite:////srv/a%20b/x.db", "/srv/a b/x.db"),
    ],
)
def test_sqlite_paths_are_relative_with_three_slashes_and_absolute_with_four(url, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    backend = backend_from_url(url)
    assert isinstance(backend, SqliteBackend)
    assert backend.path == str(tmp_path / path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://ada:secret@db/incidents", ["not in this version", "SQLite"]),
        ("postgres://db/incidents", ["not in this version"]),
        ("sqllite:///x.db", ["Did you mean 'sqlite://'?"]),
        ("memroy://", ["Did you mean 'memory://'?"]),
        ("mysql://ada:secret@db/x", ["Known: memory://, postgresql://, sqlite://"]),
        ("incidents.db", ["found 'incidents.db'"]),
        ("", ["backend: found ''"]),
        ("sqlite://incidents.db", ["three slashes"]),
        ("sqlite:///", ["names a file"]),
        ("sqlite:////srv/", ["names a file"]),
        ("sqlite:///:memory:", ["memory://"]),
        ("sqlite:///x.db?mode=ro", ["without options"]),
        ("memory://somewhere", ["Did you mean"]),
    ],
)
def test_a_wrong_url_names_the_place_the_value_and_the_remedy(url, words):
    with pytest.raises(ConfigurationError) as caught:
        backend_from_url(url)
    assert str(caught.value).startswith("backend: found")
    assert [word for word in words if word not in str(caught.value)] == []
    assert "secret" not in str(caught.value)


def test_the_place_is_the_callers():
    with pytest.raises(ConfigurationError, match="^stores.second: found"):
        backend_from_url("redis://x", place="stores.second")


@pytest.mark.parametrize("options", [{"journal": "delete"}, {"busy_timeout": __import__("datetime").timedelta(0)}])
def test_a_wrong_option_of_sqlite_is_a_configuration_error(options):
    with pytest.raises(ConfigurationError, match=r"SqliteBackend\."):
        SqliteBackend("x.db", **options)


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_sqlite_needs_a_file(path):
    with pytest.raises(ConfigurationError, match=r"MemoryBackend\(\) keeps nothing"):
        SqliteBackend(path)


def test_both_satisfy_the_protocol():
    assert isinstance(MemoryBackend(), Backend)
    assert isinstance(SqliteBackend(Path("x.db")), Backend)
