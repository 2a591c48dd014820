"""The sender's life: start, close, fork, exit, proxies, and what it imports when."""

import os
import subprocess
import sys
import threading

import pytest

from incidentkit.model import Delivery, Outcome
from incidentkit.notifiers import Sender, Webhook
from incidentkit.notifiers._own import OWN_THREAD_PREFIX
from incidentkit.testing.local_server import Answer, LocalServer
from incidentkit.testing.notifier_kit import sample_notification

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy")


def submit(sender, url):
    return sender.submit(Webhook(url=url), sample_notification(), fresh_until=1.0, monotonic=lambda: 0.0)


def ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith(OWN_THREAD_PREFIX)]


def run(program, *arguments, **environment):
    """Run *program* in an interpreter of its own; it must end well and leave nothing on standard error."""
    lines = "\n".join(line.removeprefix("        ") for line in program.splitlines())
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore:This process:DeprecationWarning", "-c", lines, *arguments],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **environment},
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_a_sender_has_its_threads_from_start_to_close():
    """None is started later: at exit the interpreter starts no more."""
    before = len(ours())
    sender = Sender(trust_env=False)
    assert len(ours()) == before
    sender.start()
    started = len(ours())
    assert started > before
    with LocalServer() as server:
        assert submit(sender, server.url.replace("127.0.0.1", "localhost")).result(20).outcome is Outcome.ACCEPTED
    sender.start()
    assert len(ours()) == started
    sender.close(2.0)
    for thread in ours()[before:]:
        thread.join(2)
    assert len(ours()) == before
    sender.close(2.0)


def test_what_is_in_flight_at_close_is_awaited():
    sender = Sender(trust_env=False)
    with LocalServer() as server:
        futures = [submit(sender, server.url) for _ in range(20)]
        sender.close(10.0)
        assert {future.result(0).outcome for future in futures} == {Outcome.ACCEPTED}
        assert len(server.requests) == 20


def test_what_does_not_end_in_time_is_tried_again_by_somebody_else():
    sender = Sender(trust_env=False)
    with LocalServer() as server:
        server.script(Answer(is_held=True))
        future = submit(sender, server.url)
        server.wait_for(1)
        sender.close(0.2)
        assert future.result(5) == Delivery.retry("the sender was closed", may_have_arrived=True)


def test_a_closed_sender_sends_nothing_until_it_is_started_again():
    sender = Sender(trust_env=False)
    with LocalServer() as server:
        sender.close(1.0)
        assert submit(sender, server.url).result(0) == Delivery.retry("the sender was closed")
        assert server.requests == ()
        sender.start()
        assert submit(sender, server.url).result(20).outcome is Outcome.ACCEPTED
    sender.close(1.0)


def test_every_future_ends_when_closing_races_with_sending():
    with LocalServer() as server:
        for _ in range(10):
            sender, futures = Sender(trust_env=False), []
            sender.start()
            thread = threading.Thread(target=lambda s=sender, f=futures: f.extend(submit(s, server.url) for _ in range(30)))
            thread.start()
            sender.close(1.0)
            thread.join()
            assert {future.result(5).outcome for future in futures} <= {Outcome.ACCEPTED, Outcome.RETRY}


def test_a_forked_child_sends_by_threads_of_its_own_and_the_parent_goes_on():
    """The child has the parent's loop without its thread, and shares its epoll: closing it there would deafen the parent."""
    program = """
        import os, sys, threading
        from incidentkit.notifiers import Sender, Webhook
        from incidentkit.testing.notifier_kit import sample_notification
        held, url = sys.argv[1], sys.argv[2]
        sender = Sender(trust_env=False)
        send = lambda to: sender.submit(Webhook(url=to), sample_notification(), fresh_until=1.0, monotonic=lambda: 0.0)
        first, waiting = send(url).result(20), send(held)
        child = os.fork()
        if child == 0:
            answer = send(url).result(20).outcome.value
            sender.close(1.0)
            sys.exit(0 if answer == "accepted" else 3)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), send(url).result(20).outcome.value, waiting.done())
        send(url + "/release").result(20)
        print(waiting.result(20).outcome.value)
        sender.close(1.0)
    """
    with LocalServer() as server:
        server.script(Answer(is_held=True, path="/held"))
        releasing = threading.Thread(target=lambda: (server.wait_for(5, timeout=30), server.release()))
        releasing.start()
        shown = run(program, f"http://127.0.0.1:{server.port}/held", server.url)
        releasing.join()
    assert shown == "0 accepted False\naccepted\n"


def test_the_last_pages_are_sent_at_exit_by_name():
    """asyncio's own thread pool, which looks names up, takes no more work then."""
    program = """
        import atexit, sys
        from incidentkit.notifiers import Sender, Webhook
        from incidentkit.testing.notifier_kit import sample_notification
        sender = Sender(trust_env=False)
        sender.start()
        def last():
            future = sender.submit(Webhook(url=sys.argv[1]), sample_notification(), fresh_until=1.0, monotonic=lambda: 0.0)
            print(future.result(10).outcome.value)
            sender.close(1.0)
        atexit.register(last)
    """
    with LocalServer() as server:
        assert run(program, f"http://localhost:{server.port}/last") == "accepted\n"


def test_an_interpreter_that_nobody_closed_ends_by_itself():
    program = """
        import sys
        from incidentkit.notifiers import Sender, Webhook
        from incidentkit.testing.notifier_kit import sample_notification
        sender = Sender(trust_env=False)
        sender.submit(Webhook(url=sys.argv[1]), sample_notification(), fresh_until=1.0, monotonic=lambda: 0.0).result(20)
    """
    with LocalServer() as server:
        run(program, server.url)


def test_nothing_is_imported_by_the_package_and_nothing_more_by_the_first_page():
    """Importing while something is failing may fail itself: no memory, no file handles, a deleted environment."""
    program = """
        import sys
        import incidentkit.notifiers
        from incidentkit.notifiers import Slack, Stderr, Log, notifier_from_table
        assert not {"httpx", "httpcore", "tenacity", "anyio", "asyncio"} & set(sys.modules), "too early"
        from incidentkit.notifiers import Sender
        sender = Sender(trust_env=False)
        sender.start()
        assert {"httpx", "tenacity"} <= set(sys.modules)
        from incidentkit.testing.notifier_kit import sample_notification
        notifiers = [notifier_from_table("n", {"type": "webhook", "url": sys.argv[1], "secret": "a" * 32}),
                     notifier_from_table("n", {"type": "slack", "token": "x", "to": "#c", "base_url": sys.argv[1]})]
        before = set(sys.modules)
        for notifier in notifiers:
            sender.submit(notifier, sample_notification(), fresh_until=1.0, monotonic=lambda: 0.0).result(20)
        print(sorted(set(sys.modules) - before))
        sender.close(1.0)
    """
    with LocalServer() as server:
        assert run(program, f"http://localhost:{server.port}/api") == "[]\n"


def test_certificates_that_cannot_be_loaded_are_a_fault_that_health_can_show(tmp_path, monkeypatch):
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(junk))
    sender = Sender(trust_env=False)
    with LocalServer() as server:
        assert submit(sender, server.url).result(20).outcome is Outcome.ACCEPTED  # plain http needs none
    assert "TLS certificates cannot be loaded" in sender.fault
    sender.close(1.0)


# --- proxies


@pytest.fixture
def no_proxies(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


def through(server, url, *, trust_env=True):
    sender = Sender(trust_env=trust_env)
    readings = iter([0.0])
    future = sender.submit(Webhook(url=url), sample_notification(), fresh_until=0.5, monotonic=lambda: next(readings, 1.0))
    delivery = future.result(20)
    sender.close(1.0)
    return delivery.outcome, [received.path for received in server.requests]


@pytest.mark.usefixtures("no_proxies")
def test_a_proxy_of_the_environment_is_used(monkeypatch):
    """Many hosts reach the world only so: without it no page would leave."""
    with LocalServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY".lower(), f"127.0.0.1:{proxy.port}")
        assert through(proxy, "http://hook.invalid/x") == (Outcome.ACCEPTED, ["http://hook.invalid/x"])


@pytest.mark.usefixtures("no_proxies")
def test_a_proxy_is_not_used_where_it_is_not_wanted(monkeypatch):
    with LocalServer() as proxy, LocalServer() as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "other.invalid")
        assert through(proxy, "http://other.invalid/x") == (Outcome.RETRY, [])
        assert through(proxy, "http://hook.invalid/x", trust_env=False) == (Outcome.RETRY, [])
        assert through(server, server.url) == (Outcome.ACCEPTED, ["/hook"])
        assert proxy.requests == ()
