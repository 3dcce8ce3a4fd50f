"""Receipts of bootstraps as the history keeps them, and as people read them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from onmeet_node.calls.views import MissingReceipt, ReceiptView
from onmeet_node.protocol.identity.text import clean_text

if TYPE_CHECKING:
    from onmeet_node.net.bootstraps.receipts import Settled


def receipts_as_json(settled: Iterable[Settled]) -> str:
    """For the history: numbers, and the signed bytes, so that they can be shown to somebody."""
    entries: list[dict[str, Any]] = []
    for one in settled:
        entry: dict[str, Any] = {"operator": one.operator, "bootstrap": one.peer}
        if one.receipt is not None and one.signed is not None:
            entry |= attrs.asdict(one.receipt)
            entry |= {"body": one.signed.body.hex(), "signature": one.signed.signature.hex()}
        else:
            entry["missing"] = one.missing
        entries.append(entry)
    return json.dumps(entries)


def receipts_from_json(text: str) -> tuple[ReceiptView | MissingReceipt, ...]:
    """What `receipts_as_json` made."""
    return tuple(map(receipt_of, json.loads(text)))


def receipt_of(entry: dict[str, Any]) -> ReceiptView | MissingReceipt:
    """One of them, as JSON has it."""
    if "missing" in entry:
        return MissingReceipt(**entry)
    signed = {name: bytes.fromhex(entry[name]) for name in ("body", "signature")}
    return ReceiptView(**entry | signed)


def receipts_told(receipts: Iterable[ReceiptView | MissingReceipt]) -> list[str]:
    """Receipts in words, one line for each bootstrap that was asked."""
    told: list[str] = []
    for one in receipts:
        who = clean_text(one.operator, 80) or f"the bootstrap {one.bootstrap[-8:]}"
        if isinstance(one, MissingReceipt):
            told.append(f"No receipt from {who}: {one.missing}")
            continue
        counts = [(getattr(one, name), single, many) for name, single, many in _COUNTED]
        parts = [f"{n} {single if n == 1 else many}" for n, single, many in counts if n]
        size = (one.circuit_bytes + one.guest_bytes) / 1e3
        what = ", ".join(parts) or "nothing but the connection"
        held = f"; {one.held} still open" if one.held else ""
        told.append(f"{who} signed that it released: {what} ({size:.1f} kB sealed){held}")
    return told


_COUNTED = (
    ("circuits", "relayed connection", "relayed connections"),
    ("doors", "door", "doors"),
    ("guests", "guest", "guests"),
    ("credentials", "TURN credential", "TURN credentials"),
)
