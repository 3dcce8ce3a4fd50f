"""Who the tests of calls in the app begin with: Ann in her page, and Bob with a page or without."""

from contextlib import contextmanager

from tests.browser import steps
from tests.browser.conftest import node, onmeet, window

__all__ = ["asked", "beside_a_headless_node", "two_people"]


@contextmanager
def asked(chromium, tmp_path):
    """Bob's page has added Ann's code, and hers has not answered yet: both nodes and windows."""
    with node(tmp_path / "ann") as ann, window(chromium, ann.url) as at_ann:
        code = steps.first_run(at_ann.page, "Ann")
        address = ann.event("started")["addresses"][0]
        with (
            node(tmp_path / "bob", "--bootstrap", address) as bob,
            window(chromium, bob.url) as at_bob,
        ):
            steps.first_run(at_bob.page, "Bob")
            steps.add(at_bob.page, code, "It is me")
            yield (ann, at_ann), (bob, at_bob)


@contextmanager
def two_people(chromium, tmp_path):
    """The pages of two contacts, each of their own node."""
    with asked(chromium, tmp_path) as ((_, at_ann), (_, at_bob)):
        steps.accept_request(at_ann.page)
        at_bob.page.get_by_role("button", name="Call Ann").wait_for()
        yield at_ann.page, at_bob.page


@contextmanager
def beside_a_headless_node(chromium, tmp_path, *, script=None, takes=True):
    """Ann's node, her window, and Bob's node, a contact without a page that `takes` every call."""
    home = tmp_path / "bob"
    onmeet("init", "--name", "Bob", "--key-file", "--home", home)
    with node(tmp_path / "ann") as ann, window(chromium, ann.url, script=script) as at_ann:
        code = steps.first_run(at_ann.page, "Ann")
        address = ann.event("started")["addresses"][0]
        options = ["--bootstrap", address, "--source", "test", *(["--auto-answer"] * takes)]
        with node(home, *options, app=False) as bob:
            bob.event("reachable")
            bob.command("contacts", "add", code)
            steps.accept_request(at_ann.page)
            bob.event("contact-accepted")
            yield ann, at_ann, bob
