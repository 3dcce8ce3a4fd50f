"""The local app in Chromium: how fast a call is, and what it costs the node.

click_to_ring_ms      press of Call in one window → the other window shows the ringing call
accept_to_picture_ms  press of Answer there → first remote picture on the caller's screen
first_paint_ms        reload of the window → first contentful paint (warm)
node_cpu_percent      CPU of the caller's node during ten seconds of the call
page_kb_gzipped       everything a window loads
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import sync_playwright

from onmeet_node.web.server import STATIC
from tests.browser import steps
from tests.browser.conftest import CHROMIUM, FLAGS, node, window

CALLS = 5
COST_SECONDS = 10.0
WATCH = """() => {
  window.seen = {};
  const look = () => {
    const find = (root, name) => {
      for (const one of root.querySelectorAll("*")) {
        if (one.matches(name)) return one;
        const deeper = one.shadowRoot && find(one.shadowRoot, name);
        if (deeper) return deeper;
      }
      return null;
    };
    if (!window.seen.ring && find(document, "om-ring")) window.seen.ring = Date.now();
    const video = find(document, "video.remote");
    if (video && !video.watched) {
      video.watched = true;
      video.requestVideoFrameCallback(() => { window.seen.picture = Date.now(); });
    }
    requestAnimationFrame(look);
  };
  look();
}"""

PICTURE = """() => new Promise((done) => {
  const look = () => window.seen.picture ? done() : requestAnimationFrame(look);
  look();
})"""
"""Waits for the first picture; the page's policy allows no code from a text."""


def run() -> dict[str, object]:
    """Every figure of this group; times are medians of CALLS calls."""
    ring: list[float] = []
    picture: list[float] = []
    home = Path(tempfile.mkdtemp())
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS) as chromium,
        node(home / "a") as ann,
        window(chromium, ann.url) as at_ann,
    ):
        code = steps.first_run(at_ann.page, "Ann")
        address = ann.event("started")["addresses"][0]
        with (
            node(home / "b", "--bootstrap", address) as bob,
            window(chromium, bob.url) as at_bob,
        ):
            caller, callee = at_bob.page, at_ann.page
            steps.first_run(caller, "Bob")
            steps.add(caller, code)
            steps.accept_request(callee)
            caller.get_by_role("button", name="Call Ann").wait_for()
            cost = 0.0
            for turn in range(CALLS):
                for page in (caller, callee):
                    page.evaluate(WATCH)
                caller.get_by_role("button", name="Call Ann").click()
                caller.get_by_role("heading", name="Call Ann").wait_for()
                clicked = time.time() * 1000
                caller.get_by_role("button", name="Call", exact=True).click()
                callee.get_by_role("button", name="Answer with video").wait_for()
                ring.append(callee.evaluate("seen.ring") - clicked)
                caller.get_by_text("Ringing").wait_for()
                accepted = time.time() * 1000
                callee.get_by_role("button", name="Answer with video").click()
                caller.evaluate(PICTURE)
                picture.append(caller.evaluate("seen.picture") - accepted)
                if turn == 0:
                    process = psutil.Process(bob.process.pid)
                    process.cpu_percent()
                    caller.wait_for_timeout(COST_SECONDS * 1000)
                    cost = process.cpu_percent()
                caller.get_by_role("button", name="Hang up").click()
                for page in (caller, callee):
                    page.get_by_role("button", name="Close").click()
            caller.reload()
            caller.get_by_role("heading", name="People").wait_for()
            paint = caller.evaluate(
                "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            )
    weight = sum(len(gzip.compress(f.read_bytes(), 9)) for f in STATIC.rglob("*") if f.is_file())
    return {
        "click_to_ring_ms": round(median(ring), 1),
        "accept_to_picture_ms": round(median(picture), 1),
        "first_paint_ms": round(paint, 1),
        "node_cpu_percent": round(cost, 1),
        "page_kb_gzipped": round(weight / 1000, 1),
    }


if __name__ == "__main__":
    print(json.dumps(run()))
