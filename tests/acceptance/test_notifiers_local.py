"""The sender against a real server on this machine: what is sent, when, how often, and what is never shown."""

import logging
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from incidentkit.model import Delivery, Outcome, PageKind, Request
from incidentkit.notifiers import Sender, Slack, Webhook
from incidentkit.notifiers._own import OWN_THREAD_PREFIX, is_own_thread
from incidentkit.settings import Settings
from incidentkit.testing.local_server import Answer, LocalServer
from incidentkit.testing.notifier_kit import sample_notification

CANARY = "canary5e4d3c2b"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def server():
    with LocalServer() as one:
        yield one


@pytest.fixture
def sender():
    one = Sender(trust_env=False)
    yield one
    one.close(2.0)


def send(sender, notifier, notification=None, *, fresh_until=1.0, monotonic=lambda: 0.0):
    return sender.submit(notifier, notification or sample_notification(), fresh_until=fresh_until, monotonic=monotonic).result(20)


def a_free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Clock:
    """Monotonic time by a script: one reading for each call, the last one for ever; something may happen at a reading."""

    def __init__(self, *readings, happens=None):
        self._readings = list(readings)
        self._happens = happens or {}
        self.calls = 0

    def __call__(self):
        self.calls += 1
        self._happens.pop(self.calls, lambda: None)()
        return self._readings.pop(0) if len(self._readings) > 1 else self._readings[0]


@attrs.frozen(kw_only=True)
class Plain:
    """A third party's HttpNotifier."""

    url: str
    headers: dict = attrs.field(factory=dict)
    name: str = "plain"
    to: str = ""
    is_quiet: bool = True
    deadline: timedelta = timedelta(minutes=15)
    seen: list = attrs.field(factory=list)

    def request(self, notification, /):
        return Request(url=self.url, headers=self.headers, content=b"x")

    def verdict(self, response, notification, /):
        self.seen.append(response)
        return Delivery.accepted(threading.current_thread().name)


# --- what is sent


def test_a_signed_webhook_arrives_byte_for_byte_and_its_receiver_can_verify_it(sender):
    notifier = Webhook(url="http://127.0.0.1", secret=SECRET)
    notification = sample_notification(sent_at=datetime.now(UTC))
    with LocalServer(secret=SECRET) as server:
        assert send(sender, attrs.evolve(notifier, url=server.url), notification) == Delivery.accepted()
        (received,) = server.requests
    assert received.is_signed
    assert received.body == notifier.request(notification).content
    assert (received.method, received.path, received.headers["user-agent"]) == ("POST", "/hook", "incidentkit")


def test_a_receiver_with_another_secret_refuses_it(sender):
    with LocalServer(secret="b" * 32) as server:
        assert send(sender, Webhook(url=server.url, secret=SECRET)).outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "accepted"), (204, "accepted"), (299, "accepted"), (300, "refused"), (304, "refused"), (400, "refused"), (401, "refused"),
        (408, "retry"), (410, "refused"), (422, "refused"), (429, "retry"), (499, "refused"), (500, "retry"), (503, "retry"),
        (599, "retry"),
    ],
)
def test_the_retry_matrix_holds_on_the_wire(sender, server, status, outcome):
    server.script(Answer(status=status))
    delivery = send(sender, Webhook(url=server.url))
    assert (delivery.outcome, delivery.may_have_arrived) == (Outcome(outcome), False)
    assert len(server.requests) == 1


@pytest.mark.parametrize("text", ["7", "7.0", "Sun, 01 Mar 2026 12:00:07 GMT"])
def test_the_service_says_how_long_to_wait(sender, server, text):
    server.script(Answer(status=503, headers={"retry-after": text, "date": "Sun, 01 Mar 2026 12:00:00 GMT"}))
    assert send(sender, Webhook(url=server.url)).retry_after == timedelta(seconds=7)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(sender, server, status):
    """It would carry the token, or the page, to a place that nobody configured."""
    server.script(Answer(status=status, headers={"location": server.url}))
    assert send(sender, Webhook(url=server.url)).outcome is Outcome.REFUSED
    assert len(server.requests) == 1


def test_no_cookie_is_kept(sender, server):
    server.script(Answer(headers={"set-cookie": f"session={CANARY}; Path=/"}))
    for _ in range(2):
        send(sender, Webhook(url=server.url))
    assert all("cookie" not in received.headers for received in server.requests)


def test_an_endless_answer_is_read_to_its_first_64_kib(sender, server):
    server.script(Answer(body=b"x" * 5_000_000))
    notifier = Plain(url=server.url)
    assert send(sender, notifier).outcome is Outcome.ACCEPTED
    assert len(notifier.seen[0].content) == 64 * 1024


def test_an_answer_of_just_64_kib_is_whole(sender, server):
    server.script(Answer(body=b"x" * (64 * 1024 - 1) + b"y"))
    notifier = Plain(url=server.url)
    send(sender, notifier)
    assert notifier.seen[0].content.endswith(b"y")


def test_header_names_of_the_answer_are_lower_case(sender, server):
    server.script(Answer(headers={"X-Strange-Name": "1"}))
    notifier = Plain(url=server.url)
    send(sender, notifier)
    assert notifier.seen[0].headers["x-strange-name"] == "1"


def test_many_at_once_all_arrive_once(sender, server):
    notifiers = [Webhook(url=f"{server.url}/{number}") for number in range(450)]
    futures = [sender.submit(one, sample_notification(), fresh_until=1.0, monotonic=lambda: 0.0) for one in notifiers]
    assert {future.result(20).outcome for future in futures} == {Outcome.ACCEPTED}
    assert sorted(received.path for received in server.requests) == sorted(f"/hook/{number}" for number in range(450))


# --- law 5: when a try may start


def test_a_send_may_start_at_the_very_end_of_its_freshness_and_not_after(sender, server):
    assert send(sender, Webhook(url=server.url), fresh_until=1.0, monotonic=Clock(1.0)).outcome is Outcome.ACCEPTED
    late = send(sender, Webhook(url=server.url), fresh_until=1.0, monotonic=Clock(1.000001))
    assert (late.outcome, late.may_have_arrived) == (Outcome.RETRY, False)
    assert len(server.requests) == 1


def test_a_refused_connection_is_tried_again_inside_the_attempt(sender):
    port, started = a_free_port(), []
    # Readings: the first try, whether to wait, the second try. The server starts listening between the two tries.
    clock = Clock(0.0, happens={2: lambda: started.append(LocalServer(port=port))})
    delivery = send(sender, Webhook(url=f"http://127.0.0.1:{port}/x"), monotonic=clock)
    with started[0] as server:
        assert delivery == Delivery.accepted()
        assert len(server.requests) == 1


def test_no_try_starts_once_the_state_is_stale_although_the_server_is_back(sender):
    """The person may have acknowledged meanwhile: only a new read of the state may allow the next try."""
    port, started = a_free_port(), []
    clock = Clock(0.0, 0.0, 1.5, happens={2: lambda: started.append(LocalServer(port=port))})
    delivery = send(sender, Webhook(url=f"http://127.0.0.1:{port}/x"), monotonic=clock)
    with started[0] as server:
        assert (delivery.outcome, delivery.may_have_arrived) == (Outcome.RETRY, False)
        assert "read again" in delivery.reason
        assert server.requests == ()


def test_a_try_that_would_start_too_late_is_not_waited_for(sender):
    clock = Clock(0.0, 1.0)  # the pause alone would lead past the end
    delivery = send(sender, Webhook(url=f"http://127.0.0.1:{a_free_port()}/x"), monotonic=clock)
    assert delivery.outcome is Outcome.RETRY
    assert "ConnectionRefusedError" in delivery.reason or "ConnectError" in delivery.reason
    assert clock.calls == 2


def test_a_lost_answer_is_never_sent_again_inside_the_attempt(sender, server):
    server.script(Answer(is_lost=True))
    delivery = send(sender, Webhook(url=server.url))
    assert (delivery.outcome, delivery.may_have_arrived) == (Outcome.RETRY, True)
    assert len(server.requests) == 1


def test_a_slow_server_hits_the_deadline(server):
    sender = Sender(Settings(send_timeout=timedelta(milliseconds=200)), trust_env=False)
    server.script(Answer(is_held=True))
    started = time.monotonic()
    delivery = send(sender, Webhook(url=server.url))
    assert time.monotonic() - started < 3
    assert (delivery.outcome, delivery.may_have_arrived) == (Outcome.RETRY, True)
    assert "0.2 s" in delivery.reason
    sender.close(2.0)


def test_one_slow_service_does_not_keep_the_others_waiting(sender, server):
    server.script(*[Answer(is_held=True, path="/slow")] * 40)
    slow = [
        sender.submit(Webhook(url=f"http://127.0.0.1:{server.port}/slow"), sample_notification(), fresh_until=1.0, monotonic=lambda: 0.0)
        for _ in range(40)
    ]
    server.wait_for(40)
    assert send(sender, Webhook(url=server.url)).outcome is Outcome.ACCEPTED
    assert not any(future.done() for future in slow)
    server.release()
    assert {future.result(20).outcome for future in slow} == {Outcome.ACCEPTED}


# --- faults


class RequestFault(Plain):
    def request(self, notification, /):
        raise KeyError(CANARY)


class NoRequest(Plain):
    def request(self, notification, /):
        return CANARY


class VerdictFault(Plain):
    def verdict(self, response, notification, /):
        raise RuntimeError(CANARY)


class NoVerdict(Plain):
    def verdict(self, response, notification, /):
        return None


@pytest.mark.parametrize(
    ("kind", "reason", "arrived"),
    [
        (RequestFault, "RequestFault.request failed: KeyError", False), (NoRequest, "NoRequest.request returned str", False),
        (VerdictFault, "VerdictFault.verdict failed: RuntimeError", True), (NoVerdict, "NoVerdict.verdict returned NoneType", True),
    ],
)
def test_a_fault_of_a_notifier_is_a_refusal_that_names_the_class(sender, server, kind, reason, arrived):
    assert send(sender, kind(url=server.url)) == Delivery(outcome=Outcome.REFUSED, reason=reason, may_have_arrived=arrived)


@pytest.mark.parametrize("url", ["nonsense", "ftp://h/x", "http://[::1/x", "http://h:99999/x", "", "http:///x"])
def test_a_url_that_cannot_be_asked_is_refused(sender, url):
    assert send(sender, Plain(url=url), monotonic=Clock(0.0, 1.0)).outcome is Outcome.REFUSED


@pytest.mark.parametrize("headers", [{"x": "a\r\nInjected: 1"}, {"x\r\nInjected": "1"}, {"x": "\x00"}, {"x": "\udc80"}])
def test_a_header_that_would_start_another_is_not_sent(sender, server, headers):
    assert send(sender, Plain(url=server.url, headers=headers)).outcome is Outcome.REFUSED
    assert all("injected" not in received.headers for received in server.requests)


def test_a_guard_may_forbid_a_send(server):
    class ForbiddenError(Exception):
        pass

    def guard(request):
        if "/hook" in request.url:
            raise ForbiddenError

    sender = Sender(guard=guard, trust_env=False)
    future = sender.submit(Webhook(url=server.url), sample_notification(), fresh_until=1.0, monotonic=lambda: 0.0)
    with pytest.raises(ForbiddenError):
        future.result(5)
    assert server.requests == ()
    assert send(sender, Webhook(url=f"http://127.0.0.1:{server.port}/other")).outcome is Outcome.ACCEPTED
    sender.close(2.0)


# --- law 10: nothing of a URL but scheme, host and port


def test_no_credential_is_in_any_reason_or_log(sender, server, caplog):
    caplog.set_level(logging.DEBUG)
    place = f"http://127.0.0.1:{server.port}/hook/{CANARY}?token={CANARY}"
    server.script(Answer(), Answer(status=404), Answer(status=503), Answer(status=302, headers={"location": "/x"}), Answer(is_lost=True))
    deliveries = [send(sender, Plain(url=place, headers={"authorization": f"Bearer {CANARY}"})) for _ in range(2)]
    deliveries += [send(sender, Webhook(url=place, headers={"authorization": CANARY})) for _ in range(4)]
    deliveries += [send(sender, VerdictFault(url=place)), send(sender, RequestFault(url=place))]
    here = f"127.0.0.1:{server.port}/{CANARY}"
    for url in (f"http://127.0.0.1:{a_free_port()}/{CANARY}", f"https://{here}", f"http://h:99999/{CANARY}", CANARY):
        deliveries.append(send(sender, Plain(url=url), monotonic=Clock(0.0, 1.0)))
    assert {delivery.outcome for delivery in deliveries} == set(Outcome)
    assert CANARY not in "".join(delivery.reason for delivery in deliveries)
    assert CANARY not in caplog.text
    assert not [record for record in caplog.records if CANARY in repr(vars(record))]
    assert caplog.records, "httpcore logs what it does: this test would see it"


def test_records_of_our_own_http_come_from_threads_of_ours(sender, server, caplog):
    """An IncidentHandler must be able to tell them: an incident about sending an incident has no end."""
    caplog.set_level(logging.DEBUG)
    delivery = send(sender, Plain(url=server.url.replace("127.0.0.1", "localhost")))
    assert caplog.records
    assert all(record.threadName.startswith(OWN_THREAD_PREFIX) for record in caplog.records if record.name.startswith("http"))
    assert delivery.ref.startswith(OWN_THREAD_PREFIX)
    assert not is_own_thread()


# --- Slack, from the first page to the end


def test_a_slack_bot_posts_reminds_in_the_thread_and_edits_at_the_end(sender, server):
    bot = Slack(token="xoxb-1", to="#ops", base_url=server.slack_api)
    first = send(sender, bot)
    assert first.ref == f"{server.slack.channel_id('#ops')}:{server.slack.messages[0].ts}"
    reminder = send(sender, bot, sample_notification(PageKind.REMINDER, ref=first.ref))
    update = send(sender, bot, sample_notification(PageKind.UPDATE, ref=reminder.ref, text="Worse"))
    over = send(sender, bot, sample_notification(PageKind.RESOLVED, ref=update.ref, text="Over"))
    assert {one.ref for one in (first, reminder, update, over)} == {first.ref}
    root, reply = server.slack.messages
    assert (reply.thread_ts, reply.is_broadcast) == (root.ts, True)
    assert (root.edits, "Over" in root.text) == (2, True)


def test_slack_that_says_no_with_status_200_is_believed(sender, server):
    wrong = Slack(token="xoxb-2", to="#ops", base_url=server.slack_api)
    with LocalServer(slack_token="xoxb-1") as strict:
        assert send(sender, attrs.evolve(wrong, base_url=strict.slack_api)) == Delivery.refused("Slack: invalid_auth")
    assert send(sender, wrong, sample_notification(PageKind.RESOLVED, ref="C0123:1.2")) == Delivery.refused("Slack: message_not_found")


def test_an_incoming_webhook_is_posted_to(sender, server):
    assert send(sender, Slack(url=server.slack_webhook)) == Delivery.accepted()
    server.script(Answer(status=200, body=b"invalid_token"), Answer(status=429, headers={"retry-after": "1"}))
    assert send(sender, Slack(url=server.slack_webhook)) == Delivery.refused("Slack: invalid_token")
    assert send(sender, Slack(url=server.slack_webhook)).retry_after == timedelta(seconds=1)
    assert "Queue memory overload" in server.slack.messages[0].text
