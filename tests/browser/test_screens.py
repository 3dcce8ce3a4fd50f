"""Each screen: axe-core finds nothing (WCAG 2.2 AA), nothing is cut or scrolls sideways, names are
text.
"""

import os
from pathlib import Path

import av
import pytest

from tests.browser import steps
from tests.browser.conftest import node, onmeet, window
from tests.browser.people import beside_a_headless_node, two_people
from tests.browser.test_rooms import make_room, wait_tiles

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

UI = Path(__file__).parents[2] / "ui"
AXE = UI / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DOCTOR = {"fr-CA": "Vérifier ce qui marche", "de-DE": "Prüfen, was geht", "ar": "فحص ما يعمل"}
HOSTILE = "<b>Bob</b>\u202e\u0007" + "x" * 50
WIDTHS = (360, 640, 1280)
"""The narrowest window that is promised, 1280 at 200 % zoom, and a wide one."""
LANGUAGES = ("fr", "de", "ar", "en")
SHOTS = os.environ.get("ONMEET_SHOTS")
CUT = """() => {
  const cut = [];
  const wider = (one, text) => {
    const style = getComputedStyle(one);
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = style.font;
    const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
    return pen.measureText(text).width > one.clientWidth - padding - 16; // its arrow
  };
  const look = (root) => {
    for (const one of root.querySelectorAll("*")) {
      if (one.shadowRoot) look(one.shadowRoot);
      if (!one.checkVisibility() || one.clientWidth < 2) continue;
      const named = one.closest("bdi") !== null; // may be as long as its owner likes
      const clips = getComputedStyle(one).textOverflow === "ellipsis" && !one.querySelector("bdi");
      const tight = one.scrollWidth > one.clientWidth + 1 && one.innerText?.trim();
      if (tight && !named && (clips || one.matches("button, .button"))) cut.push(one.innerText);
      const chosen = one.localName === "select" ? one.selectedOptions[0]?.text : undefined;
      if (chosen && wider(one, chosen)) cut.push(chosen);
    }
  };
  look(document);
  return cut;
}"""
"""Words of ours that are not shown whole: in a button, or as the choice that was made."""


class Screens:
    def __init__(self):
        self.findings = {}

    def look(self, page, name):
        """Notes what is wrong with the screen that is shown."""
        wrong = []
        for language in LANGUAGES:
            speak(page, language)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 800})
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    wrong.append(f"scrolls sideways at {width} px in {language}")
                if cut := page.evaluate(CUT):
                    wrong.append(f"cuts {cut} at {width} px in {language}")
                if SHOTS:
                    file = Path(SHOTS) / f"{name}-{language}-{width}.png"
                    page.screenshot(path=file, full_page=True)
        page.mouse.move(0, 0)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        # the colours of a button that is just changing are nobody's
        page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
        wrong += page.evaluate(
            "async (rules) => (await axe.run(document, {runOnly: rules})).violations"
            ".map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 120)}`)",
            RULES,
        )
        if wrong:
            self.findings[name] = wrong


def speak(page, language):
    """The browser's own language changes while the page is open."""
    session = page.context.new_cdp_session(page)
    agent = page.evaluate("navigator.userAgent")
    session.send("Emulation.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": language})
    page.evaluate("dispatchEvent(new Event('languagechange'))")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate("document.documentElement.lang") == language
    session.detach()


def test_every_screen_can_be_used_by_everybody(chromium, tmp_path):
    screens = Screens()
    with (
        node(tmp_path / "ann") as ann,
        window(chromium, ann.url, bypass_csp=True, reduced_motion="reduce") as at_ann,
    ):
        page = at_ann.page
        page.get_by_label("What are you called?").wait_for()
        screens.look(page, "first-run")
        page.get_by_role("button", name="I have On-Meet already").click()
        screens.look(page, "first-link")
        page.get_by_role("button", name="Back").click()
        code = steps.first_run(page, "Ann")
        for section in ("History", "Settings", "People"):
            page.get_by_role("button", name=section, exact=True).click()
            screens.look(page, section.lower())
        address = ann.event("started")["addresses"][0]
        with (
            node(tmp_path / "bob", "--bootstrap", address) as bob,
            window(
                chromium, bob.url, bypass_csp=True, reduced_motion="reduce", color_scheme="dark"
            ) as at_bob,
        ):
            other = at_bob.page
            steps.first_run(other, HOSTILE)
            steps.add(other, code, "<i>note</i>")
            page.get_by_role("button", name="Accept").wait_for()
            shown = page.get_by_text("asks to be your contact").first.inner_text()
            assert "<b>Bob</b>x" in shown
            assert "\u202e" not in shown
            screens.look(page, "request")
            steps.accept_request(page)
            page.get_by_role("button", name="Call <b>Bob").wait_for()
            screens.look(page, "people-long-name")
            other.get_by_role("button", name="Call Ann").wait_for()
            screens.look(other, "people-dark")
            other.get_by_role("button", name="Ann", exact=True).click()
            other.get_by_role("button", name="Verify").click()
            other.get_by_role("button", name="They are the same").wait_for()
            screens.look(other, "person-dark")
            other.get_by_role("button", name="Call with video").click()
            other.get_by_role("heading", name="Call Ann").wait_for()
            screens.look(other, "prejoin-dark")
            other.get_by_role("button", name="Call", exact=True).click()
            other.get_by_text("Ringing").wait_for()
            screens.look(page, "ring-in")
            screens.look(other, "ring-out")
            page.get_by_role("button", name="Answer with video").click()
            steps.wait_moving(other)
            other.get_by_text("You have not compared a number").wait_for()
            screens.look(other, "call")
            other.get_by_role("button", name="Yes, the same").click()
            page.get_by_text("says that the number is the same").wait_for()
            screens.look(page, "call-compare")
            page.get_by_role("button", name="Yes, the same").click()
            other.get_by_text("Both of you see the same number").wait_for()
            screens.look(other, "call-verified")
            for panel in ("Chat", "Details", "Devices"):
                other.get_by_role("button", name=panel).click()
                screens.look(other, f"call-{panel.lower()}")
                other.get_by_role("button", name="Close").click()
            other.get_by_role("button", name="Hang up").click()
            page.get_by_text("hung up.").wait_for()
            screens.look(page, "after")

            page.reload()
            page.get_by_role("button", name="Rooms", exact=True).click()
            screens.look(page, "rooms")
            make_room(page, "Team")
            screens.look(page, "room-alone")
            ann.command("room", "invite", ann.command("contacts", "list")[0]["identity"][:12])
            other.get_by_text("invites you into a room").first.wait_for()
            screens.look(other, "room-invited")
            other.get_by_role("button", name="Come in").first.click()
            other.get_by_role("heading", name="Before you go in").wait_for()
            screens.look(other, "room-prejoin-dark")
            other.get_by_role("button", name="Come in").click()
            wait_tiles(other, "You", "Ann")
            screens.look(other, "room-dark")
            for panel in ("People", "Chat"):
                page.get_by_role("button", name=panel).first.click()
                screens.look(page, f"room-{panel.lower()}")
    assert screens.findings == {}


def test_the_qr_code_on_the_screen_is_the_code(chromium, tmp_path):
    import segno

    with node(tmp_path / "ann") as ann, window(chromium, ann.url) as at_ann:
        page = at_ann.page
        code = steps.first_run(page, "Ann")
        page.get_by_role("button", name="Show").click()
        page.locator("om-qr rect").first.wait_for(state="attached")
        picture = tmp_path / "qr.png"
        page.locator("om-qr svg").screenshot(path=picture)
    with av.open(str(picture)) as file:
        frame = next(file.decode(video=0)).reformat(format="gray")
    plane = frame.planes[0]
    pixels, pitch = bytes(plane), plane.line_size
    wanted = segno.make(code, error="m", micro=False).matrix
    module = frame.height / (len(wanted) + 8)  # with a quiet zone of four on each side
    seen = [
        [
            pixels[int((y + 4.5) * module) * pitch + int((x + 4.5) * module)] < 128
            for x in range(len(row))
        ]
        for y, row in enumerate(wanted)
    ]
    assert seen == [[bool(dark) for dark in row] for row in wanted]


@pytest.mark.parametrize(
    ("language", "title", "direction"),
    [("fr-CA", "Bienvenue dans On-Meet", "ltr"), ("de-DE", "Willkommen bei On-Meet", "ltr"),
     ("ar", "مرحبًا بك في On-Meet", "rtl"), ("xx", "Welcome to On-Meet", "ltr")],
)  # fmt: skip
def test_the_app_speaks_the_language_of_the_browser(chromium, tmp_path, language, title, direction):
    with (
        node(tmp_path / "ann") as ann,
        window(chromium, ann.url, locale=language) as at_ann,
    ):
        at_ann.page.get_by_role("heading", name=title).wait_for()
        assert at_ann.page.evaluate("document.documentElement.dir") == direction
        assert at_ann.page.evaluate("Object.keys(localStorage)") == []


def test_a_denied_camera_is_named_with_its_remedy_and_the_call_goes_on(chromium, tmp_path):
    with two_people(chromium, tmp_path) as (ann, bob):
        bob.evaluate(
            "void (navigator.mediaDevices.getUserMedia = async () => {"
            " throw new DOMException('Permission denied', 'NotAllowedError'); })"
        )
        bob.get_by_role("button", name="Call Ann").click()
        bob.get_by_text("The camera is forbidden for this page.").wait_for()
        bob.get_by_role("button", name="Call", exact=True).click()
        ann.get_by_role("button", name="Answer with video").click()
        steps.wait_moving(bob)  # receive-only
        ann.get_by_text("Bob has the camera off").wait_for()


def test_a_call_from_the_first_run_to_the_end_without_a_mouse(chromium, tmp_path):
    home = tmp_path / "bob"
    onmeet("init", "--name", "Bob", "--key-file", "--home", home)
    with node(tmp_path / "ann") as ann, window(chromium, ann.url) as at_ann:
        page, keys = at_ann.page, at_ann.page.keyboard
        page.get_by_label("What are you called?").wait_for()
        steps.tab_to(page, "What are you called?")
        keys.type("Ann")
        steps.tab_to(page, "A passphrase that I type")
        keys.press("ArrowDown")
        steps.tab_to(page, "Begin")
        keys.press("Enter")
        code = page.get_by_role("textbox", name="Your code")
        code.wait_for()
        text = code.input_value().strip()
        steps.tab_to(page, "Next")
        keys.press("Enter")
        address = ann.event("started")["addresses"][0]
        options = ["--bootstrap", address, "--source", "test", "--auto-answer"]
        with node(home, *options, app=False) as bob:
            bob.event("reachable")
            bob.command("contacts", "add", text)
            page.get_by_role("button", name="Accept").wait_for()
            steps.tab_to(page, "Accept")
            keys.press("Enter")
            bob.event("contact-accepted")
            page.get_by_role("button", name="Call Bob").wait_for()
            steps.tab_to(page, "Call Bob")
            keys.press("Enter")
            page.get_by_role("heading", name="Call Bob").wait_for()
            steps.tab_to(page, "Call")
            keys.press("Enter")
            steps.wait_moving(page)
            keys.press("m")
            page.get_by_role("button", name="Unmute").wait_for()
            keys.press("r")
            page.get_by_text("Compare this aloud").wait_for()
            keys.press("?")
            page.get_by_role("dialog").wait_for()
            keys.press("Escape")
            steps.tab_to(page, "Hang up")
            keys.press("Enter")
            page.get_by_text("You hung up.").wait_for()
            steps.tab_to(page, "Close")
            keys.press("Enter")
            page.get_by_role("heading", name="People").wait_for()


def test_a_camera_that_goes_in_mid_call_is_named_and_the_call_goes_on(whole_chromium, tmp_path):
    """Unplugged, or its permission withdrawn: both end the track. Chromium's fake camera cannot be
    unplugged, so the event is the test's own; what follows is real."""
    with beside_a_headless_node(whole_chromium, tmp_path) as (_, at_ann, bob):
        page = at_ann.page
        page.evaluate(
            "void ((media) => { const open = media.getUserMedia.bind(media);"
            " window.cameras = [];"
            " media.getUserMedia = async (wish) => { const stream = await open(wish);"
            " window.cameras.push(...stream.getVideoTracks()); return stream; };"
            "})(navigator.mediaDevices)"
        )
        steps.start_call(page, "Bob")
        steps.wait_moving(page)
        page.evaluate(
            "for (const one of cameras) { one.stop(); one.dispatchEvent(new Event('ended')); }"
        )
        page.get_by_text("The camera was unplugged.").wait_for()
        steps.wait_moving(page)  # theirs still comes
        page.get_by_role("button", name="Camera on").click()
        page.get_by_text("The camera was unplugged.").wait_for(state="detached")
        page.locator(".self video").wait_for()
        page.get_by_role("button", name="Hang up").click()
        assert bob.event("ended")["reason"] == "peer-hung-up"


@pytest.mark.parametrize(
    ("language", "refusal", "finding"),
    [("fr-CA", "Ce code de contact est incomplet", "Aucun autre nœud n’est connu"),
     ("de-DE", "Dieser Kontaktcode ist unvollständig", "Kein anderer Knoten ist bekannt"),
     ("ar", "رمز الاتصال هذا ناقص", "لا تُعرف عقدة أخرى")],
)  # fmt: skip
def test_what_the_node_says_is_said_in_the_language_of_the_browser(
    chromium, tmp_path, language, refusal, finding
):
    home = tmp_path / "ann"
    onmeet("init", "--name", "Ann", "--key-file", "--home", home)
    with node(home) as ann, window(chromium, ann.url, locale=language) as at_ann:
        page = at_ann.page
        page.locator("textarea#code").fill("onmeet:AAAA")
        page.locator("om-add button.main").click()
        page.get_by_text(refusal).wait_for()
        page.locator("nav button").last.click()
        page.get_by_role("button").filter(has_text=DOCTOR[language]).click()
        page.get_by_text(finding).wait_for()
        assert page.locator("om-settings li [lang=en]").count() == 0
