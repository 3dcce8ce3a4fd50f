"""A guest without a browser: `onmeet join`."""
