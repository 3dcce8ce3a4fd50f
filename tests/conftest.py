"""What all tests share."""

from hypothesis import HealthCheck, settings

# An example that takes 200 ms says how busy the machine is, not whether the code is right.
settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")
