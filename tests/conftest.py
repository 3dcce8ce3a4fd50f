"""What all tests share."""

import signal

from hypothesis import HealthCheck, settings

# An example that takes 200 ms says how busy the machine is, not whether the code is right.
settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")

# A shell ignores Ctrl-C for what it runs in the background, and programs pass that on: without
# this, whoever is to be interrupted by a test would not hear of it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
