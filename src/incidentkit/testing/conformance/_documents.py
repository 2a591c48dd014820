"""Cases: operators' documents."""

from __future__ import annotations

from typing import Any

from incidentkit.errors import RejectedError
from incidentkit.model import Committed, Conflict, Doc, DocWrite
from incidentkit.testing.conformance.kit import Kit, equal, holds


def _put(kit: Kit, *writes: DocWrite) -> Committed | Conflict:
    return kit.backend.put_docs(kit.ns, writes, now=kit.at())


def _write(identifier: str, expect: int = 0, **fields: Any) -> DocWrite:
    return DocWrite(expect=expect, doc=Doc(kind="silence", id=identifier, **fields))


def doc_cas_and_revision(kit: Kit) -> None:
    """A document is written when its version is the expected one; each call bumps the revision once, and every reply carries it."""
    reply = _put(kit, _write("a", body='{"n":1}', starts_at=kit.at(1), ends_at=kit.at(9)), _write("b"))
    equal(reply.doc_revision, 1, "the revision")
    holds(isinstance(_put(kit, _write("a", expect=0)), Conflict), "a present document, expected absent, must be a Conflict")
    holds(isinstance(_put(kit, _write("c"), _write("a", expect=2)), Conflict), "a stale version must be a Conflict")
    holds(isinstance(_put(kit, _write("a", expect=1, body='{"n":2}')), Committed), "the right version must be applied")
    found = kit.backend.docs(kit.ns)
    equal((found.revision, [(doc.id, doc.version, doc.revision) for doc in found.docs]), (2, [("b", 1, 1), ("a", 2, 2)]), "the documents")
    equal((found.docs[1].body, found.docs[1].kind), ('{"n":2}', "silence"), "the second version of a")
    equal((kit.applied().doc_revision, kit.load().doc_revision), (2, 2), "the revision in other replies")
    kit.applied(incidents=(kit.new("i"),))
    equal(kit.refused(incidents=(kit.new("i"),)).doc_revision, 2, "the revision in a Conflict")


def docs_since_revision_incl_deleted(kit: Kit) -> None:
    """Only what changed after a revision, deleted ones too, each in its newest version."""
    _put(kit, _write("a", starts_at=kit.at(1)), _write("b"))
    _put(kit, _write("b", expect=1, is_deleted=True))
    _put(kit, _write("c"))
    since = kit.backend.docs(kit.ns, since=1)
    equal([(doc.id, doc.is_deleted, doc.version) for doc in since.docs], [("b", True, 2), ("c", False, 1)], "since 1")
    equal((kit.backend.docs(kit.ns, since=3).docs, since.revision), ((), 3), "since 3, and the revision")
    equal([doc.id for doc in kit.backend.docs(kit.ns).docs], ["a", "b", "c"], "all")
    equal(kit.backend.docs(kit.ns).docs[0].starts_at, kit.at(1), "starts_at")
    equal(kit.backend.docs("other/ns").docs, (), "of another namespace")


def no_documents_are_no_revision(kit: Kit) -> None:
    """Writing nothing bumps nothing; one document twice in a call is a bug."""
    equal(_put(kit).doc_revision, 0, "the revision")
    try:
        _put(kit, _write("a"), _write("a"))
    except RejectedError:
        return
    raise AssertionError("one document twice in a call must be a RejectedError")
