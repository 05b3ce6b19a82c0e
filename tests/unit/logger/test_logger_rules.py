"""The rules of the log, without a server."""

from __future__ import annotations

import json
import math
import uuid
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llamactl.logger import Category, Status
from llamactl.logger._encoding import cut, encode, escaped, loosened, unencodable, unlinked, with_root
from llamactl.logger._rules import (
    Ids,
    described,
    failure,
    infer_category,
    linked_metadata,
    new_id,
    opening_id,
    place,
)
from llamactl.model import ErrorCode
from llamactl.sqlfiles.names import DEFAULT_COLUMNS, Names
from sessions import refused

COLUMNS = dict(Names().columns)
ALBUM = ("ALBUM", uuid.UUID(int=10))


@pytest.mark.parametrize(
    ("operation", "status", "category"),
    [
        ("anything", "FAILED", "FAILED"),
        ("cache:artist-image", "FAILED", "FAILED"),
        ("cache:artist-image", "SUCCESS", "CACHED"),
        ("CACHE_ALBUM_COVER_ART", "SUCCESS", "CACHED"),
        ("admin_correction", "SUCCESS", "CORRECTED"),
        ("album:correction", "PARTIAL_SUCCESS", "CORRECTED"),
        ("enrichment:album", "NO_DATA_AVAILABLE", "ENRICHED"),
        ("ENRICH_ALBUM", "SUCCESS", "ENRICHED"),
        ("check-artist-enrichment", "SKIPPED", "ENRICHED"),
        ("cache:enrichment-correction", "SUCCESS", "CACHED"),
        ("enrich:correction", "SUCCESS", "CORRECTED"),
        ("album:created:recommendation", "SUCCESS", "CREATED"),
        ("", "SUCCESS", "CREATED"),
    ],
)
def test_category_is_inferred_from_status_then_operation(operation: str, status: str, category: str) -> None:
    assert infer_category(operation, status) == category


def test_place() -> None:
    assert place("a") == Ids("a", None, "a")
    assert place("a", "  ", "x") == Ids("a", None, "a")
    assert place("b", "a") == Ids("b", "a", None)
    assert place("b", "a", "r") == Ids("b", "a", "r")
    assert place("b", "a", "b") == Ids("b", "a", None)
    assert place(7, uuid.UUID(int=1)) == Ids("7", str(uuid.UUID(int=1)), None)
    assert (place("a").is_root, place("b", "a").is_root) == (True, False)


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (("a", "a"), "its own parent"),
        ((7, "7"), "its own parent"),
        (("",), "not be blank"),
        ((" \t\n",), "not be blank"),
        (("a\0",), "cannot contain"),
        (("a", "\ud800"), "cannot contain"),
    ],
)
def test_places_that_cannot_be(ids: tuple[Any, ...], said: str) -> None:
    with refused(ErrorCode.USAGE, said):
        place(*ids)


def test_new_ids() -> None:
    ids = [new_id() for _ in range(1000)]
    parsed = [uuid.UUID(id_) for id_ in ids]
    assert len(set(ids)) == 1000
    assert {(id_.version, id_.variant) for id_ in parsed} == {(7, uuid.RFC_4122)}
    assert [str(id_) for id_ in parsed] == ids
    times = [id_.int >> 80 for id_ in parsed]
    assert times == sorted(times)
    assert sum(one < other for one, other in pairwise(ids)) > 990
    assert abs(times[0] / 1000 - datetime.now(UTC).timestamp()) < 60


def test_opening_ids_are_the_jobs() -> None:
    assert opening_id("a") == opening_id("a") != opening_id("b")
    assert uuid.UUID(opening_id("a")).version == 5


def test_what_a_row_says_where_little_is_given() -> None:
    row = described(Ids("b", "a", "r"), "r", "album:enrich", ALBUM, {})
    moment = datetime.fromisoformat(row.pop("created_at"))
    assert abs(moment - datetime.now(UTC)) < timedelta(minutes=1)
    assert uuid.UUID(row.pop("id")).version == 7
    assert row == {
        "entity_type": "ALBUM",
        "entity_id": str(ALBUM[1]),
        "album_id": str(ALBUM[1]),
        "operation": "album:enrich",
        "category": "ENRICHED",
        "status": "SUCCESS",
        "sources": (),
        "fields_enriched": (),
        "retry_count": 0,
        "api_call_count": 0,
        "job_id": "b",
        "parent_job_id": "a",
        "root_job_id": "r",
        "is_root_job": False,
    }


def test_what_is_given_is_kept() -> None:
    values = {"id": "i", "created_at": "t", "operation": "o", "category": "CACHED", "status": "SKIPPED"}
    values |= {"artist_id": "x", "sources": "MUSICBRAINZ", "fields_enriched": {"title"}, "duration_ms": 1.6}
    row = described(Ids("a", None, "a"), "a", "enrich", ("TRACK", "t"), values)
    assert row | values | {"sources": ["MUSICBRAINZ"], "fields_enriched": ["title"], "duration_ms": 2} == row
    assert (row["track_id"], row["artist_id"], row["is_root_job"]) == ("t", "x", True)
    assert "album_id" not in row


@pytest.mark.parametrize("duration", [math.nan, math.inf])
def test_a_duration_that_is_none(duration: float) -> None:
    row = described(Ids("a", None, "a"), "a", "o", ALBUM, {"duration_ms": duration})
    assert row["duration_ms"] is None


def test_a_root_that_is_not_known_is_left_out_and_added_later() -> None:
    row = described(Ids("b", "a"), None, "o", ALBUM, {})
    assert "root_job_id" not in row
    text, _ = encode(row, COLUMNS)
    assert json.loads(with_root(text, 'the "root"', "r\u00e9")) == json.loads(text) | {
        'the "root"': "r\u00e9"
    }


def test_encoding_takes_what_an_application_has() -> None:
    names = dict(Names(columns={"metadata": "meta data", "job_id": 'job"id'}).columns)
    moment = datetime(2026, 2, 10, 13, 0, tzinfo=timezone(timedelta(hours=1)))
    metadata = {"id": uuid.UUID(int=1), "at": moment, "some": {"b", "a"}, "llama": "🦙", 1: [None, True]}
    text, mended = encode({"job_id": "a", "metadata": metadata, "created_at": moment}, names)
    assert mended == []
    assert json.loads(text) == {
        'job"id': "a",
        "meta data": {
            "id": str(uuid.UUID(int=1)),
            "at": "2026-02-10T12:00:00+00:00",
            "some": ["a", "b"],
            "llama": "🦙",
            "1": [None, True],
        },
        "created_at": "2026-02-10T12:00:00+00:00",
    }


def test_encoding_replaces_what_postgres_cannot_hold() -> None:
    itself: dict[str, Any] = {}
    itself["self"] = itself
    for value, held in [
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a?b"),
        ({"n": [math.nan, math.inf, 1.5]}, {"n": ["nan", "inf", 1.5]}),
        ({("a", "b"): "\0"}, {"('a', 'b')": "\ufffd"}),
    ]:
        text, mended = encode({"metadata": value}, COLUMNS)
        assert (json.loads(text), len(mended)) == ({"metadata": held}, 1), value
    text, mended = encode({"metadata": itself}, COLUMNS)
    assert text.endswith('"..."' + "}" * 101)
    assert len(mended) == 1


def test_a_backslash_and_u0000_is_no_nul() -> None:
    text, mended = encode({"reason": "\\u0000"}, COLUMNS)
    assert (json.loads(text), mended) == ({"reason": "\\u0000"}, [])


def test_columns_that_there_are_not_are_left_out() -> None:
    text, mended = encode({"job_id": "a", "jobid": "b"}, COLUMNS)
    assert (json.loads(text), mended) == ({"job_id": "a"}, ["there is no column 'jobid'"])


texts = st.text(st.sampled_from('au0\\\0"\n\ud800\udc00é🦙'), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


# A machine may be busy.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(DEFAULT_COLUMNS), json_values))
def test_anything_becomes_json_that_postgres_takes(row: dict[str, Any]) -> None:
    text, mended = encode(row, COLUMNS)
    read = json.loads(text, parse_constant=pytest.fail)
    assert "\0" not in str(read)
    text.encode()
    if not mended:
        assert read == row


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(st.sampled_from(DEFAULT_COLUMNS), json_values),
    st.sampled_from(["ascii", "latin-1", "cp1252", "euc_jp", "utf-8"]),
)
def test_what_a_codec_lacks_is_escaped(row: dict[str, Any], codec: str) -> None:
    text, _ = encode(row, COLUMNS)
    written = escaped(text, codec)
    written.encode(codec)
    assert json.loads(written).keys() == json.loads(text).keys()
    assert escaped(written, codec) == written
    if codec == "utf-8":
        assert written == text


def test_what_is_escaped_where() -> None:
    row, _ = encode({"reason": "é日\\", "metadata": {"日": ["é", 1]}}, {"reason": "日é", "metadata": "m"})
    assert json.loads(escaped(row, "ascii")) == {"日é": "\\xe9\\u65e5\\", "m": {"\\u65e5": ["\\xe9", 1]}}
    assert json.loads(escaped(row, "latin-1"))["日é"] == "é\\u65e5\\"
    assert "日".translate(unencodable("日", "latin-1")) == "\\u65e5"


def test_failures_tell_message_and_code() -> None:
    class SqlError(Exception):
        sqlstate = "23505"

    assert failure("no such track", None, {}) == {
        "category": Category.FAILED,
        "status": Status.FAILED,
        "error_message": "no such track",
    }
    assert failure(SqlError("taken"), {"title": "x"}, {"metadata": {"a": 1}}) == {
        "category": Category.FAILED,
        "status": Status.FAILED,
        "error_message": "taken",
        "error_code": "23505",
        "metadata": {"attemptedData": {"title": "x"}, "a": 1},
    }
    nameless = failure(KeyError(), None, {"error_code": "MINE", "retry_count": 2})
    assert (nameless["error_message"], nameless["error_code"]) == ("KeyError", "MINE")


def test_links_say_with_what() -> None:
    assert linked_metadata(ALBUM, None) == {"existingEntity": True, "albumId": str(ALBUM[1])}
    assert linked_metadata(("TRACK", "t"), {"role": "featured"}) == {
        "existingEntity": True,
        "trackId": "t",
        "role": "featured",
    }


def test_rows_are_changed_so_that_they_fit() -> None:
    row = {
        "operation": "o" * 101,
        "job_id": "j" * 101,
        "category": "LINKED",
        "album_id": "a",
        "entity_id": "a",
    }
    text = json.dumps(row)
    lengths = {"operation": 100, "job_id": 100}
    assert json.loads(cut(text, COLUMNS, lengths)) == row | {"operation": "o" * 99 + "…"}
    assert json.loads(loosened(text, COLUMNS)) == {k: v for k, v in row.items() if k != "album_id"}
    for metadata in ({}, {"metadata": {"a": 1}}, {"metadata": None}):
        changed = json.loads(unlinked(json.dumps(row | metadata), COLUMNS))
        kept = metadata.get("metadata") or {}
        assert changed == row | {"category": "ENRICHED", "metadata": {**kept, "category": "LINKED"}}
