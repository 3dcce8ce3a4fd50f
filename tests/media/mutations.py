"""Real descriptions of programs, and what a hostile one may make of them.

`descriptions/` has what Chromium 156, Firefox ESR and aiortc 1.16 wrote for a call with sound,
picture and data, addresses replaced.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "descriptions"
OFFERS = tuple(path.read_text() for path in sorted(FOLDER.glob("*-offer.sdp")))
ANSWERS = tuple(path.read_text() for path in sorted(FOLDER.glob("*-answer.sdp")))
LINES = tuple({line for text in OFFERS + ANSWERS for line in text.splitlines()})

ODD = (
    "",
    "0",
    "-1",
    "65536",
    "4294967296",
    "9" * 40,
    "9" * 900,
    "x",
    "*",
    "%00",
    ":",
    " ",
    "\u00e9",
    "\u2028",
    "\x85",
    "\x00",
    "\t",
    "/",
    "IN IP4",
    "::ffff:127.0.0.1",
    "a.local",
    "[]",
    "{}",
    "apt=",
    "typ",
    "sha-256",
    "BUNDLE",
)


def mutated(rng: random.Random, text: str) -> str:
    """The description with one to six things wrong."""
    lines = text.splitlines()
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at = rng.randrange(len(lines))
        match rng.randrange(11):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[at])
            case 2:
                lines.insert(at, rng.choice(LINES))
            case 3:
                lines[at] = rng.choice(LINES)
            case 4:
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 5:
                numbers = list(re.finditer(r"\d+", lines[at]))
                if numbers:
                    begin, end = rng.choice(numbers).span()
                    lines[at] = lines[at][:begin] + rng.choice(ODD) + lines[at][end:]
            case 6:
                words = re.split(r"([ :;=/])", lines[at])
                words[rng.randrange(len(words))] = rng.choice(ODD)
                lines[at] = "".join(words)
            case 7:
                cut = rng.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:cut] + rng.choice(ODD) + lines[at][cut + rng.randrange(3) :]
            case 8:
                lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
            case 9:
                lines[at:at] = [rng.choice(LINES)] * rng.choice((2, 40, 300))
            case _:
                begin = rng.randrange(len(lines))
                del lines[begin : begin + rng.randrange(30)]
        lines = lines or ["v=0"]
    return "\r\n".join(lines) + "\r\n"
