"""Text from the database, made safe."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamactl.render import safe
from reports import NASTY, NASTY_SHOWN


def test_nasty_text_on_one_line() -> None:
    assert safe.visible(NASTY) == NASTY_SHOWN


@pytest.mark.parametrize("text", ["plain", "größer", "日本語", "🦙", "a b", r"back\slash", "[red]", "%s", ""])
def test_harmless_text_stays(text: str) -> None:
    assert safe.visible(text) == text


@given(st.text(st.characters(categories=["Cc", "Cf", "Zl", "Zp", "Cs", "Ll"])))
def test_no_control_and_no_surrogate_is_left(text: str) -> None:
    shown = safe.visible(text)
    assert not any(unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") for character in shown)
    assert not any(
        unicodedata.bidirectional(c) in ("RLO", "LRO", "RLE", "LRE", "RLI", "LRI", "FSI") for c in shown
    )


def test_line_breaks_can_be_kept() -> None:
    assert safe.visible_lines("a\nb\r\x1b") == "a\nb\\r\\x1b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at postgresql://app:p/w@x@host:5432/db", "at postgresql://app:***@host:5432/db"),
        ("postgres://:secret@host/db", "postgres://:***@host/db"),
        ("postgresql://host:5432/db", "postgresql://host:5432/db"),
        ("host=h password=secret user=u", "host=h password=*** user=u"),
        ("password = 'two words' user=u", "password = *** user=u"),
        ("?user=u&sslpassword=secret&x=1", "?user=u&sslpassword=***&x=1"),
    ],
)
def test_passwords(text: str, shown: str) -> None:
    assert safe.without_passwords(text) == shown


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\udce8\udcff", r"\xe8\xff"),
        ("\U0001f48e", "\U0001f48e"),  # in ASCII its second half looks like a byte
        ("\U0001f48e\udc8e", "\U0001f48e" + r"\x8e"),
        (r"\udce8", r"\udce8"),
        ("\\\udce8", r"\\xe8"),
    ],
)
def test_bytes_that_are_not_utf_8_in_json(text: str, shown: str, ascii_only: bool) -> None:
    assert json.loads(safe.json_escapes(json.dumps(text, ensure_ascii=ascii_only))) == shown
