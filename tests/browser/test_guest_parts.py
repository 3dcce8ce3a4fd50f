"""What the guest page loads later: taken under the gateway's own headers, refused when altered."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trio
from onmeet_bootstrap.gateway.pages import GatewayPages
from starlette.requests import Request

from onmeet_node import guest_page
from tests.requirements import need

pytestmark = pytest.mark.real

BUILT = guest_page.files()


@pytest.fixture(autouse=True)
def _needs_the_page():
    need(None if BUILT else "the guest page is not built (make ui, Node.js 20)")


@contextmanager
def served(files):
    """An origin with these files, and the headers that the gateway gives them."""
    # The headers are of the page as it was built, whoever alters what is sent.
    pages = GatewayPages(BUILT, {}, embed_allow=(), secure=lambda: False)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.lstrip("/")
            scope = {"type": "http", "headers": [], "path_params": {"path": path}}
            answer = trio.run(pages.file, Request(scope))
            body = files.get({"j": "j.html"}.get(path, path), answer.body)
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name != "content-length":
                    self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def scripts():
    """Every script of the page, as it is served."""
    return [f"/{name}" for name in BUILT if name.startswith("assets/") and name.endswith(".js")]


def load(page, path):
    """Whether the page gets this script."""
    return page.evaluate("path => import(path).then(() => true, () => false)", path)


def test_every_part_of_the_page_loads_under_the_policy_of_the_gateway(chromium):
    with served(BUILT) as origin:
        page = chromium.new_page()
        told = []
        page.on("console", lambda message: told.append(message.text))
        page.goto(f"{origin}/j")
        page.wait_for_selector("om-guest main", state="attached")
        assert all(load(page, path) for path in scripts())
        assert page.evaluate("() => customElements.get('om-room') !== undefined")
        assert not [text for text in told if "ecurity" in text or "integrity" in text]
        page.close()


def test_a_part_that_was_altered_is_not_run(chromium):
    for name in (name for name in BUILT if name.startswith(("assets/room", "assets/call-part"))):
        altered = {**BUILT, name: BUILT[name] + b"\nwindow.altered = true;"}
        with served(altered) as origin:
            page = chromium.new_page()
            page.goto(f"{origin}/j")
            page.wait_for_selector("om-guest main", state="attached")
            assert not load(page, f"/{name}")
            assert page.evaluate("() => window.altered === undefined")
            page.close()


def test_another_import_map_than_the_release_has_is_not_taken(chromium):
    """Whoever alters the map alone, as a cache between might, is stopped by the policy's hash."""
    html = BUILT["j.html"].replace(b'{"integrity":{', b'{"imports":{},"integrity":{')
    with served({**BUILT, "j.html": html}) as origin:
        page = chromium.new_page()
        told = []
        page.on("console", lambda message: told.append(message.text))
        page.goto(f"{origin}/j")
        page.wait_for_selector("om-guest main", state="attached")
        assert [text for text in told if "Content Security Policy" in text]
        page.close()
