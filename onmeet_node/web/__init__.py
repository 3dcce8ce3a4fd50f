"""The local app: serves the page to the person's own browser and speaks with it (DESIGN 3.4)."""
