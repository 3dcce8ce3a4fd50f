"""``make dev``: two nodes, a bootstrap with a gateway and pages that reload, on one machine."""
