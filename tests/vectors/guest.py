"""Writes guest.json: links and authentication strings as the node makes them, for the guest page.

    python -m tests.vectors.guest > tests/vectors/guest.json

tests/protocol/wire/test_link.py fails when it is stale; ui/test/noise.test.ts reads it.
"""

import json

from onmeet_node.protocol.call.authentication import commitment
from onmeet_node.protocol.identity.safety import fingerprint_from_sdp, sas
from onmeet_node.protocol.wire.link import make_link

NONCES = (bytes(range(16)), bytes(range(16, 32)))
PASTED = [
    "https://meet.example.org/j#{good}.",
    "(https://meet.example.org/j#{good})",
    "<https://meet.example.org/j#{good}%3E",
    "https://meet.example.org/j#{good}%22",
    "https://meet.example.org/j#{good}%20",
    "https://meet.example.org/j#{good}\u00a0and so on",
    "https://meet.example.org/j#{good}%E2%80%8B",
    "https://meet.example.org/j#{begin}%0A{end}",
    "https://meet.example.org/j#{begin}\r\n> {end}",
    "https://meet.example.org/j#{begin}=%0A{end}",
    "https://meet.example.org/j#{begin}=\r\n{end}",
    "https://meet.example.org/j#{begin}\u200b{end}",
    "https://meet.example.org/j#{good}&utm_source=mail",
    "https://meet.example.org/j#{good}?utm_source=mail",
    "https://meet.example.org/j?fbclid=abc#{good}",
    "https://meet.example.org/j/#{good}",
    "https://meet.example.org/j%23{good}",
    "https://meet.example.org/j%2523{good}",
    "Come at three: https://meet.example.org/j#{good} - we wait for you",
    "https://safe.example.com/?url=https%3A%2F%2Fmeet.example.org%2Fj%23{good}&data=1",
]
"""One link as messengers and mail programs hand it on; each is whole inside."""


def vectors():
    """Everything in the file."""
    links = [
        make_link(
            door_secret=bytes([n]) * 16,
            private_key=bytes([n + 1]) * 32,
            secret=bytes([n + 2]) * 16,
            expires=expires,
        )
        for n, expires in ((1, None), (7, 1_900_000_000), (200, 2**32 - 1))
    ]
    good = links[0].fragment()
    offers = [
        f"v=0\r\na=fingerprint:sha-256 {':'.join([byte] * 32)}\r\n" for byte in ("0A", "f0", "77")
    ]
    return {
        "links": [
            {
                "fragment": link.fragment(),
                "door": link.door.hex(),
                "key": link.key.hex(),
                "psk": link.psk.hex(),
                "expires": link.expires,
            }
            for link in links
        ],
        "broken": [
            {"fragment": "", "trouble": "none"},
            {"fragment": "#", "trouble": "none"},
            {"fragment": "abc", "trouble": "damaged"},
            {"fragment": good[:-1], "trouble": "damaged"},
            {
                "fragment": good[:20] + ("A" if good[20] != "A" else "B") + good[21:],
                "trouble": "damaged",
            },
            {"fragment": "Ag" + good[2:], "trouble": "newer"},
        ],
        "pasted": [form.format(good=good, begin=good[:40], end=good[40:]) for form in PASTED],
        "strings": [
            {
                "binding": binding.hex(),
                "offer": offer,
                "answer": answer,
                "commitment": commitment(bytes(range(16)), 2, NONCES[0]).hex(),
                "offerer": NONCES[0].hex(),
                "answerer": NONCES[1].hex(),
                "string": sas(
                    binding, fingerprint_from_sdp(offer), fingerprint_from_sdp(answer), NONCES
                ),
            }
            for binding, offer, answer in (
                (bytes(64), offers[0], offers[1]),
                (bytes(range(64)), offers[1], offers[2]),
            )
        ],
    }


if __name__ == "__main__":
    print(json.dumps(vectors(), indent=1))
