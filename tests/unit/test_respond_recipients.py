from datetime import UTC, datetime

import pytest

from incidentkit.policy import Book, NotifierFacts
from incidentkit.respond import Nobody, Recipient, expand, fallback

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FACTS = {
    "slack": NotifierFacts(name="slack", to="#ops"), "mail": NotifierFacts(name="mail"),
    "phone": NotifierFacts(name="phone", is_quiet=False),
    "sms": NotifierFacts(name="sms", to="+1", reaches_phones=True),
}
PEOPLE = {"ada": {"phone": "+49", "slack": "@ada"}, "grace": {"phone": "+50", "sms": "+50"}, "nobody": {}}


def book(environment="production", notifiers=FACTS, people=PEOPLE):
    return Book.build(notifiers=notifiers, people=people, environment=environment)


def test_a_notifier_alone_is_told_on_its_default_target():
    assert expand("slack", book(), at=NOW) == (Recipient("slack", "#ops"),)


def test_a_stated_target_is_told():
    assert expand("slack:#payments", book(), at=NOW) == (Recipient("slack", "#payments"),)


def test_a_person_is_told_on_all_contacts_at_once():
    for name in ("ada", "person:ada"):
        assert expand(name, book(), at=NOW) == (Recipient("phone", "+49", "ada"), Recipient("slack", "@ada", "ada"))


def test_stderr_is_always_there():
    assert expand("stderr", book(), at=NOW) == (Recipient("stderr"),)
    own = book(notifiers={"stderr": NotifierFacts(name="stderr", to="-")}, people={})
    assert expand("stderr", own, at=NOW) == (Recipient("stderr", "-"),)


@pytest.mark.parametrize(("target", "why"), [
    ("gone", "found 'gone', expected a notifier or a person"), ("gone:#x", "found 'gone', expected the name of a notifier"),
    ("person:gone", "expected the name of a person"), ("mail", "'mail' has no default target"), ("nobody", "nobody has no contact"),
    ("on_call:x", "schedules and teams are not in this version"), ("", "expected a notifier or a person"),
    (":", "expected the name of a notifier"),
])
def test_who_is_gone_is_an_outcome_and_not_an_error(target, why):
    """A plan is frozen; the configuration it names may have changed since."""
    answer = expand(target, book(), at=NOW)
    assert isinstance(answer, Nobody)
    assert why in answer.why


@pytest.mark.parametrize(("environment", "environments", "is_kept"), [
    ("production", (), True), ("staging", (), False), ("staging", ["staging"], True), ("staging", ["production"], False),
])
def test_outside_production_phones_go_to_stderr_unless_the_policy_names_the_environment(environment, environments, is_kept):
    found = expand("grace", book(environment), at=NOW, environments=environments)
    kept = (Recipient("phone", "+50", "grace"), Recipient("sms", "+50", "grace"))
    assert found == (kept if is_kept else (Recipient("stderr", "", "grace", "phone"), Recipient("stderr", "", "grace", "sms")))


def test_outside_production_quiet_channels_stay():
    assert expand("slack", book("test"), at=NOW) == (Recipient("slack", "#ops"),)


def test_the_fallback_is_every_notifier_with_a_default_target():
    assert fallback(book()) == (Recipient("slack", "#ops"), Recipient("sms", "+1"))
    assert fallback(book("test")) == (Recipient("slack", "#ops"), Recipient("stderr", "", "", "sms"))


def test_the_fallback_of_nobody_is_stderr():
    assert fallback(book(notifiers={"mail": FACTS["mail"]}, people={})) == (Recipient("stderr"),)
    assert fallback(book(notifiers={}, people={})) == (Recipient("stderr"),)
