"""QR codes as rows of modules."""

from __future__ import annotations

import segno


def qr_rows(text: str) -> tuple[str, ...]:
    """The QR code of this text: ``1`` is dark; the quiet zone is not included."""
    matrix = segno.make(text, error="m", micro=False).matrix
    return tuple("".join("1" if dark else "0" for dark in row) for row in matrix)
