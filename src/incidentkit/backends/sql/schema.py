"""
The schema, as numbered migrations. Names of tables begin with `ik_`, so that the file or database may be the host's.

Portable profile (storage.md 3): no trigger, sequence, foreign key, enum; every key of what belongs to a tenant leads with (ns, shard).
Instants are microseconds since the epoch; states are stored by their word. `body` is JSON, and nothing in SQL reads inside it.
"""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["CLIENT", "META", "MIGRATIONS", "Migration"]


@attrs.frozen(kw_only=True)
class Migration:
    """One step of the schema. `min_client` is the oldest schema version whose clients may still write afterwards."""

    version: int
    min_client: int
    statements: tuple[str, ...]


#: Made before the first migration; holds schema_version, min_client and rev:<ns>.
META: Final = "CREATE TABLE IF NOT EXISTS ik_meta (k TEXT PRIMARY KEY, v TEXT NOT NULL)"

_FIRST: Final = Migration(version=1, min_client=1, statements=(
    """CREATE TABLE ik_incident (
      ns TEXT NOT NULL, shard SMALLINT NOT NULL, tenant TEXT NOT NULL, id TEXT NOT NULL,
      group_key TEXT NOT NULL, open_key TEXT,
      number BIGINT NOT NULL, version BIGINT NOT NULL, event_seq BIGINT NOT NULL,
      status TEXT NOT NULL, severity TEXT NOT NULL, service TEXT NOT NULL,
      opened_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, closed_at BIGINT,
      body_v SMALLINT NOT NULL, body TEXT NOT NULL,
      PRIMARY KEY (ns, shard, tenant, id), UNIQUE (ns, shard, tenant, open_key), UNIQUE (ns, shard, tenant, number))""",
    "CREATE INDEX ik_incident_key ON ik_incident (ns, shard, tenant, group_key, opened_at, id)",
    "CREATE INDEX ik_incident_list ON ik_incident (ns, status, updated_at, id)",
    """CREATE TABLE ik_alert (
      ns TEXT NOT NULL, shard SMALLINT NOT NULL, tenant TEXT NOT NULL, fingerprint TEXT NOT NULL,
      version BIGINT NOT NULL, status TEXT NOT NULL, incident_id TEXT, last_at BIGINT NOT NULL,
      body_v SMALLINT NOT NULL, body TEXT NOT NULL,
      PRIMARY KEY (ns, shard, tenant, fingerprint))""",
    """CREATE TABLE ik_counter (
      ns TEXT NOT NULL, shard SMALLINT NOT NULL, tenant TEXT NOT NULL, owner TEXT NOT NULL, bucket BIGINT NOT NULL,
      n BIGINT NOT NULL, first_at BIGINT NOT NULL, last_at BIGINT NOT NULL,
      PRIMARY KEY (ns, shard, tenant, owner, bucket))""",
    """CREATE TABLE ik_event (
      ns TEXT NOT NULL, shard SMALLINT NOT NULL, tenant TEXT NOT NULL, incident_id TEXT NOT NULL, seq BIGINT NOT NULL,
      at BIGINT NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL, body TEXT NOT NULL,
      PRIMARY KEY (ns, shard, tenant, incident_id, seq))""",
    """CREATE TABLE ik_work (
      ns TEXT NOT NULL, shard SMALLINT NOT NULL, tenant TEXT NOT NULL, id TEXT NOT NULL,
      kind TEXT NOT NULL, incident_id TEXT, needs TEXT NOT NULL, target TEXT NOT NULL, generation BIGINT NOT NULL,
      state TEXT NOT NULL, due_at BIGINT NOT NULL, attempt BIGINT NOT NULL, crashes BIGINT NOT NULL, retries BIGINT NOT NULL,
      owner TEXT, last_error TEXT NOT NULL, created_at BIGINT, done_at BIGINT, body TEXT NOT NULL,
      PRIMARY KEY (ns, shard, tenant, id))""",
    "CREATE INDEX ik_work_due ON ik_work (ns, state, due_at)",
    "CREATE INDEX ik_work_incident ON ik_work (ns, shard, tenant, incident_id)",
    """CREATE TABLE ik_delivery (
      ns TEXT NOT NULL, shard SMALLINT NOT NULL, tenant TEXT NOT NULL, work_id TEXT NOT NULL, attempt BIGINT NOT NULL,
      incident_id TEXT NOT NULL, notifier TEXT NOT NULL, target TEXT NOT NULL, at BIGINT NOT NULL,
      outcome TEXT NOT NULL, ref TEXT NOT NULL, error TEXT NOT NULL,
      PRIMARY KEY (ns, shard, tenant, work_id, attempt))""",
    "CREATE INDEX ik_delivery_incident ON ik_delivery (ns, shard, tenant, incident_id)",
    """CREATE TABLE ik_number (
      ns TEXT NOT NULL, shard SMALLINT NOT NULL, tenant TEXT NOT NULL, n BIGINT NOT NULL,
      PRIMARY KEY (ns, shard, tenant))""",
    """CREATE TABLE ik_doc (
      ns TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, version BIGINT NOT NULL, revision BIGINT NOT NULL,
      starts_at BIGINT, ends_at BIGINT, deleted SMALLINT NOT NULL, body TEXT NOT NULL,
      PRIMARY KEY (ns, kind, id, version))""",
    "CREATE INDEX ik_doc_revision ON ik_doc (ns, revision)",
    """CREATE TABLE ik_lease (
      ns TEXT NOT NULL, name TEXT NOT NULL, owner TEXT NOT NULL, token BIGINT NOT NULL, expires_at BIGINT NOT NULL,
      PRIMARY KEY (ns, name))""",
    "CREATE TABLE ik_source (ns TEXT NOT NULL, source TEXT NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (ns, source))",
    """CREATE TABLE ik_cell (
      ns TEXT NOT NULL, name TEXT NOT NULL, value TEXT, version BIGINT NOT NULL, expires_at BIGINT,
      PRIMARY KEY (ns, name))""",
))

#: Released migrations never change; a new version is a new entry.
MIGRATIONS: Final = (_FIRST,)

#: The schema version that this code reads and writes.
CLIENT: Final = MIGRATIONS[-1].version
