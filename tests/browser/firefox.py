"""Debian's Firefox ESR, over its own Marionette protocol: no driver program, no library."""

import json
import socket
import subprocess
import time
from contextlib import contextmanager

PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.peerconnection.ice.loopback": True,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "intl.accept_languages": "en-GB",
}
START_SECONDS = 120


class Firefox:
    """One window."""

    def __init__(self, port):
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
                break
            except OSError:
                assert time.monotonic() < deadline, "Firefox did not start"
                time.sleep(0.1)
        self._number = 0
        self._read()
        self.command("WebDriver:NewSession", {"strictFileInteractability": True})
        self.command("WebDriver:SetTimeouts", {"script": 40_000})

    def close(self):
        """Ends the conversation."""
        self._socket.close()

    def command(self, name, parameters=None):
        """One command and its answer."""
        self._number += 1
        data = json.dumps([0, self._number, name, parameters or {}])
        self._socket.sendall(f"{len(data.encode())}:{data}".encode())
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def open(self, url):
        """Goes to an address."""
        self.command("WebDriver:Navigate", {"url": url})

    def run(self, script, *arguments):
        """What an async function body gives, in the page."""
        body = (
            "const done = arguments[arguments.length - 1];"
            f"(async (...args) => {{{script}}})(...arguments)"
            ".then(done, (error) => done(`failed: ${error}`));"
        )
        parameters = {"script": body, "args": list(arguments), "sandbox": None}
        return self.command("WebDriver:ExecuteAsyncScript", parameters)["value"]

    def _read(self):
        length = b""
        while (byte := self._socket.recv(1)) != b":":
            length += byte
        data = b""
        while len(data) < int(length):
            data += self._socket.recv(int(length) - len(data))
        return json.loads(data)


@contextmanager
def firefox(profile):
    """Runs one, without a screen, with fake devices."""
    profile.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in PREFERENCES.items()]
    lines.append(f'user_pref("marionette.port", {port});')
    (profile / "user.js").write_text("\n".join(lines))
    process = subprocess.Popen(
        ["firefox-esr", "--headless", "--marionette", "--no-remote", "--profile", profile],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        window = Firefox(port)
        try:
            yield window
        finally:
            window.close()
    finally:
        process.terminate()
        process.wait(20)
