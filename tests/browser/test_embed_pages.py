"""The element in pages of other sites that have a policy of their own, or change it as it runs."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.browser.conftest import gateway, node, onmeet, window

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]

PAGE = """<!doctype html><html><head><link rel="stylesheet" href="/style.css"></head><body>
<script src="/page.js"></script><script src="{gateway}/embed.js"></script>
<onmeet-call link="{link}" display-name="Claire"></onmeet-call><main></main></body></html>"""
SCRIPT = """window.told = [];
for (const name of ["ready", "stage", "trouble"])
  addEventListener(`onmeet-${name}`, (e) => told.push({event: name, ...e.detail}));"""
STYLE = "onmeet-call { inline-size: 900px; block-size: 600px }"


@contextmanager
def sites(policies):
    """One site for each set of headers; `pages` holds what all of them show at /."""
    pages, servers = {"/page.js": SCRIPT, "/style.css": STYLE}, []

    def site(headers):
        class Page(BaseHTTPRequestHandler):
            def do_GET(self):
                kind = {"/page.js": "text/javascript", "/style.css": "text/css"}
                self.send_response(200)
                self.send_header("content-type", kind.get(self.path, "text/html"))
                for name, value in headers.items():
                    self.send_header(name, value.replace("GATEWAY", pages["gateway"]))
                self.end_headers()
                self.wfile.write(pages.get(self.path, "").encode())

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    try:
        yield pages, [site(headers) for headers in policies]
    finally:
        for server, thread in servers:
            server.shutdown()
            thread.join()
            server.server_close()


OWN = "default-src 'none'; style-src 'self'; script-src 'self' GATEWAY"
POLICIES = [
    {"Content-Security-Policy": f"{OWN}; frame-src GATEWAY"},
    {"Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Opener-Policy": "same-origin"},
    {"Content-Security-Policy": OWN},
    {"Permissions-Policy": "camera=(), microphone=()"},
]


def in_frame(page, origin):
    for _ in range(100):
        for frame in page.frames:
            if frame.url.startswith(origin):
                frame.get_by_label("Your name").wait_for()
                return frame
        page.wait_for_timeout(100)
    raise AssertionError("the frame did not come")


def wait_trouble(page, why):
    page.wait_for_function("(why) => told.some((one) => one.why === why)", arg=why)
    return page.evaluate("(why) => told.find((one) => one.why === why)", why)


def test_the_element_works_in_strict_pages_or_says_why_not(chromium, tmp_path):
    with sites(POLICIES) as (pages, (strict, isolated, unframed, deaf)):
        door = {"embed_allow": (strict, isolated, unframed, deaf), "tries_per_minute": 1e6}
        with gateway(tmp_path / "bootstrap", **door) as at:
            home = tmp_path / "shop"
            onmeet("init", "--home", home, "--name", "Shop", "--key-file")
            with node(home, "--bootstrap", at["addresses"][0], app=False) as host:
                host.event("reachable")
                link = host.command("invite", "--let-in", "--room")["url"]
                pages["gateway"] = at["guests"]
                pages["/"] = PAGE.format(gateway=at["guests"], link=link)
                for url in (strict, isolated):
                    with window(chromium, url) as it:
                        frame = in_frame(it.page, at["guests"])
                        box = frame.frame_element().bounding_box()
                        assert (box["width"], box["height"]) == (900, 600)
                        assert not [e for e in it.errors if "Policy" in e or "style" in e]
                with window(chromium, unframed) as it:
                    wait_trouble(it.page, "frame-src")
                with window(chromium, deaf) as it:
                    told = wait_trouble(it.page, "permissions-policy")
                    assert {"camera", "microphone"} <= set(told["missing"])
                    in_frame(it.page, at["guests"])
                with window(chromium, isolated) as it:
                    _moved_and_changed(it.page, at["guests"], link)


def _moved_and_changed(page, origin, link):
    """The element is moved, given other attributes, and another link."""
    frame = in_frame(page, origin)
    assert frame.get_by_label("Your name").input_value() == "Claire"
    frame.get_by_label("Your name").fill("Marie")
    page.evaluate("""() => { told.length = 0;
      document.querySelector("main").append(document.querySelector("onmeet-call")); }""")
    page.wait_for_function("told.some((one) => one.stage === 'door')")
    frame = in_frame(page, origin)
    assert frame.get_by_label("Your name").input_value() == "Marie"
    page.evaluate("() => document.querySelector('onmeet-call').setAttribute('lang', 'fr')")
    frame.get_by_label("Votre nom").wait_for()
    page.evaluate("() => document.querySelector('onmeet-call').setAttribute('link', 'nothing')")
    wait_trouble(page, "link")
    page.evaluate("() => { told.length = 0; }")
    page.evaluate(
        "(link) => document.querySelector('onmeet-call').setAttribute('link', link)", link
    )
    assert (
        page.evaluate("() => document.querySelector('onmeet-call').hasAttribute('link')") is False
    )
