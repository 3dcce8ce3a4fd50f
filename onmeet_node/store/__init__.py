"""What a person keeps: one encrypted SQLCipher database (P3). The one home of SQL.

`create_home` once, then `with open_home(home, unlock) as store:`; in a trio program
`find_home_key` in a worker thread and `open_store` in the main one.
"""

from __future__ import annotations

from onmeet_node.store.audiences import AudienceKind, AudienceRow
from onmeet_node.store.contacts import Contact, ContactState, KnownDevice
from onmeet_node.store.export import export_home, import_home
from onmeet_node.store.history import CallRecord
from onmeet_node.store.home import (
    OwnIdentity,
    Store,
    create_home,
    create_linked_home,
    delete_everything,
    find_home_key,
    open_home,
    open_store,
    unlock_kind,
)
from onmeet_node.store.keys import DatabaseKey, KeyFile, Keyring, Unlock
from onmeet_node.store.links import LinkRow
from onmeet_node.store.outbox import OutboxItem
from onmeet_node.store.sealing import KdfCost, Passphrase
from onmeet_node.store.settings import Setting

__all__ = [
    "AudienceKind",
    "AudienceRow",
    "CallRecord",
    "Contact",
    "ContactState",
    "DatabaseKey",
    "KdfCost",
    "KeyFile",
    "Keyring",
    "KnownDevice",
    "LinkRow",
    "OutboxItem",
    "OwnIdentity",
    "Passphrase",
    "Setting",
    "Store",
    "Unlock",
    "create_home",
    "create_linked_home",
    "delete_everything",
    "export_home",
    "find_home_key",
    "import_home",
    "open_home",
    "open_store",
    "unlock_kind",
]
