"""
Every statement by name. Portable: `?` are the values in order, `{list}` is a list of values (`expand` writes its question marks).

A write that may lose against another process says so in its own condition (version, attempt, seq, expiry), and the number of changed
rows is the answer; nothing relies on a lock that a session might hold.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

__all__ = ["expand", "padded"]


@lru_cache(maxsize=256)
def expand(sql: str, size: int) -> str:
    """Return *sql* with `{list}` as *size* question marks."""
    return sql.replace("{list}", ", ".join("?" * size))


def padded(values: list[str]) -> list[str]:
    """Return *values* with the last one repeated up to a power of two: few lengths, so the driver's prepared statements are found again."""
    return values + values[-1:] * ((1 << (len(values) - 1).bit_length()) - len(values))


# --- meta --------------------------------------------------------------------------------------------------------------------------------
GET_META: Final = "SELECT v FROM ik_meta WHERE k = ?"
PUT_META: Final = "INSERT INTO ik_meta (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
#: Proves that the store can be written to, and changes nothing.
TOUCH: Final = "UPDATE ik_meta SET v = v WHERE k = 'schema_version'"

# --- the unit ----------------------------------------------------------------------------------------------------------------------------
#: The gate, first statement of a unit: 0 rows = this seq or a later one was applied.
ENTER: Final = """INSERT INTO ik_source (ns, source, seq, at) VALUES (?, ?, ?, ?)
  ON CONFLICT (ns, source) DO UPDATE SET seq = excluded.seq, at = excluded.at WHERE ik_source.seq < excluded.seq"""

#: A cancelled row keeps its state; the holder's one settle is on record all the same.
SETTLE: Final = """UPDATE ik_work SET owner = NULL, crashes = 0, last_error = ?, retries = retries + ?,
    due_at = CASE WHEN state = 'open' THEN COALESCE(?, due_at) ELSE due_at END,
    done_at = CASE WHEN state = 'open' THEN ? ELSE ? END,
    state = CASE WHEN state = 'open' THEN ? ELSE state END
  WHERE ns = ? AND shard = ? AND tenant = ? AND id = ? AND attempt = ? AND owner IS NOT NULL"""

UPDATE_INCIDENT: Final = """UPDATE ik_incident SET version = version + 1, event_seq = event_seq + ?,
    group_key = ?, open_key = ?, status = ?, severity = ?, service = ?, opened_at = ?, updated_at = ?, closed_at = ?,
    body_v = ?, body = ?
  WHERE ns = ? AND shard = ? AND tenant = ? AND id = ? AND version = ? AND event_seq = COALESCE(?, event_seq)"""
NEXT_NUMBERS: Final = """INSERT INTO ik_number (ns, shard, tenant, n) VALUES (?, ?, ?, ?)
  ON CONFLICT (ns, shard, tenant) DO UPDATE SET n = ik_number.n + excluded.n RETURNING n"""
#: Fewer rows than asked: the id is there, or another incident of the key is open.
INSERT_INCIDENT: Final = """INSERT INTO ik_incident (ns, shard, tenant, id, number, version, event_seq, group_key, open_key, status,
    severity, service, opened_at, updated_at, closed_at, body_v, body)
  VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
FIND_OPEN: Final = "SELECT id FROM ik_incident WHERE ns = ? AND shard = ? AND tenant = ? AND open_key = ?"
FIND_VERSION: Final = "SELECT version, event_seq FROM ik_incident WHERE ns = ? AND shard = ? AND tenant = ? AND id = ?"
#: Events of an incident that the unit does not write.
APPEND_TO_INCIDENT: Final = """UPDATE ik_incident SET event_seq = event_seq + ?
  WHERE ns = ? AND shard = ? AND tenant = ? AND id = ? AND event_seq = ?"""
INSERT_EVENT: Final = """INSERT INTO ik_event (ns, shard, tenant, incident_id, seq, at, kind, actor, body)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""

INSERT_ALERT: Final = """INSERT INTO ik_alert (ns, shard, tenant, fingerprint, version, status, incident_id, last_at, body_v, body)
  VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
UPDATE_ALERT: Final = """UPDATE ik_alert SET version = version + 1, status = ?, incident_id = ?, last_at = ?, body_v = ?, body = ?
  WHERE ns = ? AND shard = ? AND tenant = ? AND fingerprint = ? AND version = ?"""

GET_CELL: Final = "SELECT value, version, expires_at FROM ik_cell WHERE ns = ? AND name = ?"
#: The version of a name never restarts: see backends/memory/_draft.py.
INSERT_CELL: Final = "INSERT INTO ik_cell (ns, name, value, version, expires_at) VALUES (?, ?, ?, 1, ?) ON CONFLICT DO NOTHING"
UPDATE_CELL: Final = "UPDATE ik_cell SET value = ?, version = version + 1, expires_at = ? WHERE ns = ? AND name = ? AND version = ?"

ADD_COUNTER: Final = """INSERT INTO ik_counter (ns, shard, tenant, owner, bucket, n, first_at, last_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (ns, shard, tenant, owner, bucket) DO UPDATE SET n = ik_counter.n + excluded.n,
    first_at = CASE WHEN excluded.first_at < ik_counter.first_at THEN excluded.first_at ELSE ik_counter.first_at END,
    last_at = CASE WHEN excluded.last_at > ik_counter.last_at THEN excluded.last_at ELSE ik_counter.last_at END"""
WHICH_OPEN: Final = """SELECT id FROM ik_incident
  WHERE ns = ? AND shard = ? AND tenant = ? AND open_key IS NOT NULL AND id IN ({list})"""
READ_COUNTERS: Final = """SELECT owner, bucket, n, first_at, last_at FROM ik_counter
  WHERE ns = ? AND shard = ? AND tenant = ? AND bucket >= ? AND owner IN ({list}) ORDER BY owner, bucket"""

INSERT_WORK: Final = """INSERT INTO ik_work (ns, shard, tenant, id, kind, incident_id, needs, target, generation, due_at, created_at, body,
    state, attempt, crashes, retries, last_error)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', 0, 0, 0, '') ON CONFLICT DO NOTHING"""
#: The owner stays: whoever holds a claim may settle it once.
CANCEL: Final = """UPDATE ik_work SET state = 'cancelled', done_at = ?
  WHERE ns = ? AND shard = ? AND tenant = ? AND id = ? AND state = 'open'"""
PUT_DELIVERY: Final = """INSERT INTO ik_delivery (ns, shard, tenant, work_id, attempt, incident_id, notifier, target, at, outcome, ref,
    error)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (ns, shard, tenant, work_id, attempt) DO UPDATE SET notifier = excluded.notifier, target = excluded.target,
    at = excluded.at, outcome = excluded.outcome, ref = excluded.ref, error = excluded.error"""

# --- the snapshot ------------------------------------------------------------------------------------------------------------------------
GET_ALERTS: Final = """SELECT fingerprint, version, incident_id, body FROM ik_alert
  WHERE ns = ? AND shard = ? AND tenant = ? AND fingerprint IN ({list})"""
#: One row a key: the open incident, else the one opened last.
FIND_BY_KEY: Final = """SELECT k.column1, COALESCE(
    (SELECT id FROM ik_incident WHERE ns = ? AND shard = ? AND tenant = ? AND open_key = k.column1),
    (SELECT id FROM ik_incident WHERE ns = ? AND shard = ? AND tenant = ? AND group_key = k.column1
      ORDER BY opened_at DESC, id DESC LIMIT 1))
  FROM (VALUES {keys}) AS k"""
FIND_BY_NUMBER: Final = "SELECT id FROM ik_incident WHERE ns = ? AND shard = ? AND tenant = ? AND number IN ({list})"
GET_INCIDENTS: Final = """SELECT tenant, id, version, number, event_seq, body FROM ik_incident
  WHERE ns = ? AND shard = ? AND tenant = ? AND id IN ({list})"""
COUNT_INCIDENTS: Final = """SELECT owner, SUM(n), MIN(first_at), MAX(last_at) FROM ik_counter
  WHERE ns = ? AND shard = ? AND tenant = ? AND owner IN ({list}) GROUP BY owner"""
GET_CELLS: Final = "SELECT name, value, version, expires_at FROM ik_cell WHERE ns = ? AND value IS NOT NULL AND name IN ({list})"
GET_CELL_RANGE: Final = """SELECT name, value, version, expires_at FROM ik_cell
  WHERE ns = ? AND value IS NOT NULL AND name >= ? AND name < ?"""

# --- listings ----------------------------------------------------------------------------------------------------------------------------
LIST_INCIDENTS: Final = """SELECT tenant, id, version, number, event_seq, body, updated_at FROM ik_incident
  WHERE ns = ? AND status = ?{filters} ORDER BY updated_at DESC, id DESC, tenant DESC LIMIT ?"""
OF_TENANT: Final = " AND tenant = ?"
OF_SERVICE: Final = " AND service = ?"
SINCE: Final = " AND updated_at >= ?"
OF_NUMBER: Final = " AND number = ?"
AFTER_PLACE: Final = " AND (updated_at, id, tenant) < (?, ?, ?)"
GET_EVENTS: Final = """SELECT seq, at, kind, body FROM ik_event
  WHERE ns = ? AND shard = ? AND tenant = ? AND incident_id = ? AND seq > ? ORDER BY seq LIMIT ?"""
GET_DELIVERIES: Final = """SELECT work_id, tenant, attempt, incident_id, notifier, target, at, outcome, ref, error FROM ik_delivery
  WHERE ns = ? AND shard = ? AND tenant = ? AND incident_id = ? ORDER BY at, work_id, attempt LIMIT ?"""
LIST_WORK: Final = """SELECT id, tenant, incident_id, kind, body, due_at, needs, target, generation, created_at, state, attempt, crashes,
    retries, last_error, done_at FROM ik_work
  WHERE ns = ? AND state = ?{filters} ORDER BY due_at, tenant, id LIMIT ?"""
OF_INCIDENT: Final = " AND shard = ? AND incident_id = ?"
OF_INCIDENT_ANYWHERE: Final = " AND incident_id = ?"

# --- claims ------------------------------------------------------------------------------------------------------------------------------
#: The columns of LIST_WORK.
FIND_DUE: Final = """SELECT id, tenant, incident_id, kind, body, due_at, needs, target, generation, created_at, state, attempt, crashes,
    retries, last_error, done_at FROM ik_work
  WHERE ns = ? AND state = 'open' AND due_at <= ?{filters} ORDER BY due_at, tenant, id LIMIT ?"""
WITH_NEEDS: Final = " AND needs IN ({list})"
#: The condition repeats what was seen, so that two claimers never both win.
CLAIM: Final = """UPDATE ik_work SET attempt = attempt + 1, crashes = crashes + 1, owner = ?, due_at = ?
  WHERE ns = ? AND shard = ? AND tenant = ? AND id = ? AND state = 'open' AND attempt = ? AND due_at = ?"""
EXTEND: Final = """UPDATE ik_work SET due_at = CASE WHEN due_at < ? THEN ? ELSE due_at END
  WHERE ns = ? AND shard = ? AND tenant = ? AND id = ? AND state = 'open' AND attempt = ? AND owner IS NOT NULL"""
NEXT_DUE: Final = "SELECT due_at FROM ik_work WHERE ns = ? AND state = 'open'{filters} ORDER BY due_at LIMIT 1"

# --- leases and documents ----------------------------------------------------------------------------------------------------------------
ACQUIRE: Final = """INSERT INTO ik_lease (ns, name, owner, token, expires_at) VALUES (?, ?, ?, 1, ?)
  ON CONFLICT (ns, name) DO UPDATE SET owner = excluded.owner, token = ik_lease.token + 1, expires_at = excluded.expires_at
  WHERE ik_lease.expires_at <= ? RETURNING token"""
RENEW: Final = "UPDATE ik_lease SET expires_at = ? WHERE ns = ? AND name = ? AND owner = ? AND token = ? AND expires_at > ?"
#: The newest version of each document; older ones are kept for replay.
GET_DOCS: Final = """SELECT kind, id, version, revision, starts_at, ends_at, deleted, body FROM ik_doc AS d
  WHERE ns = ? AND revision > ? AND NOT EXISTS (SELECT 1 FROM ik_doc AS later
    WHERE later.ns = d.ns AND later.kind = d.kind AND later.id = d.id AND later.version > d.version)
  ORDER BY revision, kind, id"""
FIND_DOC: Final = "SELECT MAX(version) FROM ik_doc WHERE ns = ? AND kind = ? AND id = ?"
INSERT_DOC: Final = """INSERT INTO ik_doc (ns, kind, id, version, revision, starts_at, ends_at, deleted, body)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""

# --- purge -------------------------------------------------------------------------------------------------------------------------------
OLD_INCIDENTS: Final = """SELECT shard, tenant, id FROM ik_incident
  WHERE ns = ? AND status = 'resolved' AND updated_at < ? ORDER BY updated_at, id LIMIT ?"""
SOME_EVENTS: Final = "SELECT seq FROM ik_event WHERE ns = ? AND shard = ? AND tenant = ? AND incident_id = ? ORDER BY seq LIMIT ?"
DELETE_EVENT: Final = "DELETE FROM ik_event WHERE ns = ? AND shard = ? AND tenant = ? AND incident_id = ? AND seq = ?"
SOME_DELIVERIES: Final = """SELECT work_id, attempt FROM ik_delivery
  WHERE ns = ? AND shard = ? AND tenant = ? AND incident_id = ? LIMIT ?"""
DELETE_DELIVERY: Final = "DELETE FROM ik_delivery WHERE ns = ? AND shard = ? AND tenant = ? AND work_id = ? AND attempt = ?"
SOME_BUCKETS: Final = "SELECT owner, bucket FROM ik_counter WHERE ns = ? AND shard = ? AND tenant = ? AND owner = ? LIMIT ?"
DELETE_BUCKET: Final = "DELETE FROM ik_counter WHERE ns = ? AND shard = ? AND tenant = ? AND owner = ? AND bucket = ?"
DELETE_INCIDENT: Final = "DELETE FROM ik_incident WHERE ns = ? AND shard = ? AND tenant = ? AND id = ?"
OLD_WORK: Final = """SELECT shard, tenant, id FROM ik_work
  WHERE ns = ? AND state IN ('done', 'dead', 'cancelled') AND due_at < ? AND done_at < ? LIMIT ?"""
DELETE_WORK: Final = "DELETE FROM ik_work WHERE ns = ? AND shard = ? AND tenant = ? AND id = ?"
OLD_ALERTS: Final = """SELECT shard, tenant, fingerprint FROM ik_alert AS a
  WHERE ns = ? AND last_at < ? AND NOT EXISTS (SELECT 1 FROM ik_incident AS i
    WHERE i.ns = a.ns AND i.shard = a.shard AND i.tenant = a.tenant AND i.id = a.incident_id AND i.open_key IS NOT NULL) LIMIT ?"""
DELETE_ALERT: Final = "DELETE FROM ik_alert WHERE ns = ? AND shard = ? AND tenant = ? AND fingerprint = ?"
OLD_BUCKETS: Final = """SELECT shard, tenant, owner, bucket FROM ik_counter AS c
  WHERE ns = ? AND last_at < ? AND NOT EXISTS (SELECT 1 FROM ik_incident AS i
    WHERE SUBSTR(c.owner, 1, 2) = 'i|' AND i.ns = c.ns AND i.shard = c.shard AND i.tenant = c.tenant
    AND i.id = SUBSTR(c.owner, 3)) LIMIT ?"""
OLD_SOURCES: Final = "SELECT source FROM ik_source WHERE ns = ? AND at < ? LIMIT ?"
DELETE_SOURCE: Final = "DELETE FROM ik_source WHERE ns = ? AND source = ?"
OLD_CELLS: Final = "SELECT name FROM ik_cell WHERE ns = ? AND expires_at < ? LIMIT ?"
DELETE_CELL: Final = "DELETE FROM ik_cell WHERE ns = ? AND name = ?"
