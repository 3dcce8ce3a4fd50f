"""The machine's times, in seconds, and its bounds. PROTOCOL, "Calls", lists them."""

# ── both sides must agree on these (specification) ───────────────────────────────────────────────
RING = 45.0
"""From dialling to giving up. Long enough to fetch a phone from the next room; the same on both
sides, counted at the callee from the invite's age."""

CONNECT = 20.0
"""From accepting to media. A relayed path over a bad mobile link takes about 5 s; who has spoken
into silence for 20 s hangs up anyway."""

RECONNECT = 45.0
"""From losing media to giving the call up: a lift, a tunnel, a router that starts again."""

# ── tuning: a peer notices no difference but speed ───────────────────────────────────────────────
UNHEARD = 18.0
"""From dialling to giving up on somebody none of whose devices has said anything. A device that is
there says `ringing` by itself, within seconds on the worst of links, whoever picks it up when."""

CALLER_GONE = 15.0
"""A ringing call whose channel is lost stops ringing: a caller who is still there has dialled
again within that time, and a phone that rings for nobody is a lie."""

OFFER_PATIENCE = 10.0
"""A media re-offer that has not connected by then is replaced while reconnecting ..."""

OFFER_PATIENCE_MAX = 20.0
"""... and the next after twice that: each costs both ends work, and may be what keeps the machines
from answering."""

OFFER_PAUSE = 2.0
"""After a re-offer failed: ICE fails at once when there is no network, so do not spin."""

SEARCH_PAUSE = 5.0
"""Between searches for a lost peer. While media flows without a channel it doubles each time ..."""

SEARCH_SOON = 1.0
"""Once, when the device that rang was lost: a search right then may find only its old record."""

SEARCH_PAUSE_MAX = 60.0
"""... up to this, so that a long call without its channel costs one lookup a minute."""

# ── bounds of memory ─────────────────────────────────────────────────────────────────────────────
MAX_LEGS = 8
"""Devices of one person that ring together."""

MAX_REMOTE_CANDIDATES = 256
"""Of one generation; ICE agents check at most 100 pairs (RFC 8445 §6.1.2.5)."""

MAX_LOCAL_CANDIDATES = 256
"""Of one generation, kept until the peer has them."""

MAX_EARLY_GENERATIONS = 2
"""Generations whose candidates are kept before their offer is here."""

OFFERS_AT_ONCE = 8
"""Offers of a device in one call that are taken as they come: a flapping network makes a few ..."""

OFFER_EVERY = 2.0
"""... and one in this time after that. Each costs a peer connection, its sockets and its relays."""

MAX_REMEMBERED = 256
"""Calls that are over, remembered against late and replayed messages."""

MAX_STRINGS = 16
"""Authentication strings of one call, over all its devices and generations. Each is one guess, of a
million, for whoever stands between; a call that changed its path more often has none any more."""

MAX_RINGS = 6
"""Calls of one peer that come in within RING_WINDOW and are not taken; more neither ring nor are
written down. Whoever holds a code could else ring without end and push calls out of the history."""

RING_WINDOW = 60.0
"""See MAX_RINGS."""

MAX_RINGERS = 256
"""Peers whose rings are counted."""

MEDIA_TRIES = 2
"""A call whose first media attempt failed gets a second one, then the truth."""

SEARCHES_WITHOUT = 2
"""Searches that found a device of the peer that was not there before, but not the one of this
call, until that counts as started again. Once may be a second device that was just switched on."""
