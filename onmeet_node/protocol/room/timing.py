"""Every length of time of a room, in seconds."""

CLAIM = 1.5
"""From the loss of the host until the first in the order of succession carries on."""
CLAIM_STEP = 1.0
"""More for each one who comes before and is there, too."""
WITNESS = 20.0
"""As long somebody who still sees the host keeps us from carrying on in its place."""
AWAY = 45.0
"""Until a seat that nobody sees any more is given up."""
FORMER = 600.0
"""As long a seat that was given up may come back without a knock, as after a long split."""
RETRY = 0.5
MAX_RETRY = 8.0
"""Between tries to open a channel, growing from the first to the last."""
STANDBY = 2.0
"""Until a channel that the other side should have opened is opened from here."""
KNOCK = 120.0
"""Until a knock that nobody answers is given up."""
BLIND = 10.0
"""Until media that flows one way only is told to both."""
MAX_FORMER = 32
REQUESTS = 20
"""Of one seat in `REQUEST_WINDOW`; past it what they ask is not heard."""
REQUEST_WINDOW = 10.0
STRAY = 5.0
"""For somebody without a seat that we know of to show a roster that has it, or to knock."""
MAX_LEADS = 8
