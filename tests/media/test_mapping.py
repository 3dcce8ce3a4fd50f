"""Which kind of NAT STUN answers mean."""

from __future__ import annotations

import pytest

from onmeet_node.media.engine.nat_mapping import SeenMapping, nat_kind

OWN, OTHER, SIX = ("10.0.0.2", 5000), ("10.9.0.2", 6000), ("2001:db8::2", 5000)
SEEN, SEEN_TOO = ("198.51.100.1", 5000), ("198.51.100.1", 5001)


@pytest.mark.parametrize(
    ("mappings", "kind"),
    [
        ([], ""),
        ([SeenMapping(OWN, "s1", OWN)], "none"),
        ([SeenMapping(OWN, "s1", SEEN)], ""),
        ([SeenMapping(OWN, "s1", SEEN), SeenMapping(OWN, "s1", SEEN)], ""),
        ([SeenMapping(OWN, "s1", SEEN), SeenMapping(OWN, "s2", SEEN)], "same"),
        ([SeenMapping(OWN, "s1", SEEN), SeenMapping(OWN, "s2", SEEN_TOO)], "each"),
        ([SeenMapping(OWN, "s1", SEEN), SeenMapping(OWN, "s1", SEEN_TOO)], "each"),
        (
            [
                SeenMapping(OTHER, "s1", SEEN_TOO),
                SeenMapping(OTHER, "s2", SEEN),
                SeenMapping(OWN, "s1", SEEN),
                SeenMapping(OWN, "s2", SEEN),
            ],
            "same",
        ),
        (
            [
                SeenMapping(SIX, "s1", SIX),
                SeenMapping(OWN, "s1", SEEN),
                SeenMapping(OWN, "s2", SEEN_TOO),
            ],
            "each",
        ),
        ([SeenMapping(SIX, "s1", SIX)], "none"),
    ],
)
def test_the_kind_of_nat_follows_from_what_servers_saw(
    mappings: list[SeenMapping], kind: str
) -> None:
    assert nat_kind(mappings) == kind
