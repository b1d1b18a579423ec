import contextlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import LinkError
from inspector.link.messages import (
    MAX_TO_LINE,
    MAX_TO_WEB,
    Assembler,
    Command,
    PlcReport,
    PreviewRef,
    Reply,
    Watch,
    decode,
    encode,
    plain,
)

from .made import make_event, make_status

ALL = [
    make_status(),
    make_event(),
    make_event(preview=PreviewRef(path="/x", number=3)),
    PlcReport(wiring="triggers", owner="", registers=({"name": "status", "words": [1]},), refused={"BUSY": 2}),
    Watch(on=True),
    Command(id=1, what="recipe", argument="hub", user="ann"),
    Reply(id=1, ok=False, error="no such recipe"),
]


@settings(deadline=None)
@given(cuts=st.lists(st.integers(1, 40), max_size=30))
def test_messages_come_out_as_they_went_in_however_the_stream_is_cut(cuts):
    data = b"".join(map(encode, ALL))
    assembler, messages, at = Assembler(MAX_TO_WEB), [], 0
    for cut in [*cuts, len(data)]:
        messages += assembler.feed(data[at : at + cut])
        at += cut
    assert messages == ALL


@given(data=st.binary(max_size=200))
def test_garbage_is_a_link_error_or_an_unfinished_message(data):
    with contextlib.suppress(LinkError):
        assert Assembler(MAX_TO_LINE).feed(data) == []


@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["v", "kind", "id", "on", "counts"]), inner),
    )
)
def test_json_that_is_not_a_message_is_a_link_error(body):
    if isinstance(body, dict):
        body |= {"v": 1, "kind": "status"}
    with pytest.raises(LinkError):
        decode(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"v": 2, "kind": "watch", "on": True}, "version is 2, wanted 1"),
        ({"v": 1, "kind": "dance"}, "KeyError"),
        ({"v": 1, "kind": "watch", "on": 1}, "wanted true or false"),
        ({"v": 1, "kind": "command", "id": 1, "command": "start"}, "TypeError"),
        ({"v": 1, "kind": "command", "id": "1", "argument": "", "user": ""}, "TypeError"),
    ],
)
def test_what_is_wrong_is_said(body, text):
    with pytest.raises(LinkError, match=text):
        decode(json.dumps(body).encode())


def test_too_long_is_refused_before_it_is_read():
    with pytest.raises(LinkError, match="wanted at most 65536"):
        Assembler(MAX_TO_LINE).feed(struct.pack("<I", 1 << 30))


def test_numbers_json_does_not_know():
    assert plain({"a": float("nan"), "b": np.float32(1.5), "c": (np.int64(2),), 3: True}) == {
        "a": None,
        "b": 1.5,
        "c": [2],
        "3": True,
    }
