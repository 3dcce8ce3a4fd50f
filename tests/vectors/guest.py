"""Writes guest.json: links and authentication strings as the node makes them, for the guest page.

    python -m tests.vectors.guest > tests/vectors/guest.json

tests/wire/test_link.py fails when it is stale; ui/test/noise.test.ts reads it.
"""

import json

from onmeet_node.identity.safety import fingerprint_from_sdp, sas
from onmeet_node.wire.link import make_link


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
            {"fragment": good + "%20", "trouble": "damaged"},
        ],
        "strings": [
            {
                "binding": binding.hex(),
                "offer": offer,
                "answer": answer,
                "string": sas(binding, fingerprint_from_sdp(offer), fingerprint_from_sdp(answer)),
            }
            for binding, offer, answer in (
                (bytes(64), offers[0], offers[1]),
                (bytes(range(64)), offers[1], offers[2]),
            )
        ],
    }


if __name__ == "__main__":
    print(json.dumps(vectors(), indent=1))
