"""What waits to be written to a channel: in order, together, the channel's own words first."""

from __future__ import annotations

from onmeet_node.net.channels.send_queue import BATCH_BYTES, SendQueue


def test_what_has_come_together_is_written_in_one_piece_and_in_order() -> None:
    queue = SendQueue()
    queue.push(b"invite")
    queue.push(b"candidates")
    assert queue.push_first(b"ping")
    assert queue.take_some() == [b"ping", b"invite", b"candidates"]
    assert queue.take_some() == []
    assert queue.all_taken


def test_a_piece_is_bounded_and_nothing_is_left_out() -> None:
    queue = SendQueue()
    messages = [bytes([n]) * (BATCH_BYTES // 3) for n in range(8)]
    for message in messages:
        queue.push(message)
    batches = []
    while batch := queue.take_some():
        batches.append(batch)
    assert [message for batch in batches for message in batch] == messages
    assert len(batches) > 1
    assert all(sum(map(len, batch[:-1])) < BATCH_BYTES for batch in batches)


def test_what_is_held_back_is_not_written_but_the_channels_own_words_are() -> None:
    queue = SendQueue()
    queue.hold()
    queue.push(b"invite")
    queue.push_first(b"pong")
    assert queue.take_some() == [b"pong"]
    queue.release()
    assert queue.take_some() == [b"invite"]
