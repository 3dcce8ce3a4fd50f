"""What pages and node say to each other, and the page's types made from it."""

import contextlib
from typing import get_args

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.net.errors import BadMultiaddr
from onmeet_node.protocol.wire.errors import DecodeError
from onmeet_node.web import messages, typescript
from onmeet_node.web.answering import refusal
from onmeet_node.web.messages import answers, media, own


def test_the_types_and_figures_of_the_pages_are_those_of_the_node():
    for file, text in typescript.generate().items():
        assert file.read_text() == text, (
            "the Python changed: run python -m onmeet_node.web.typescript"
        )


def test_nothing_the_node_says_has_a_default():
    for cls in get_args(messages.FromNode):
        for attribute in attrs.fields(cls):
            assert attribute.default is attrs.NOTHING, f"{cls.__name__}.{attribute.name}"


@given(st.binary(max_size=300))
def test_whatever_a_page_sends_is_decoded_or_refused(data):
    with contextlib.suppress(DecodeError):
        messages.from_page.decode(data)


def test_a_token_and_an_sdp_stay_out_of_repr():
    hello = own.Hello(version=1, token="a" * 64)
    assert "aaaa" not in repr(hello)
    assert "v=0" not in repr(media.Described(session=1, sdp="v=0"))


def test_a_message_of_the_node_is_refused_from_a_page():
    data = messages.from_node.encode(answers.Done(id=1))
    assert isinstance(messages.from_page.decode(data), messages.Unknown)


def test_a_message_beyond_the_limit_is_refused():
    with pytest.raises(DecodeError, match="allowed"):
        messages.from_page.decode(b"\x81" * (messages.MAX_PAGE_BYTES + 1))


def test_programs_know_a_refusal_by_the_name_that_it_always_had():
    told = refusal(1, BadMultiaddr("example.org", "it is none"))
    assert told.kind == "BadAddress", "the class has another name now"
