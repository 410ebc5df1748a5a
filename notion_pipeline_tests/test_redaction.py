"""Secrets in texts, errors, log records and reprs. test_secrets.py looks at what a whole sync writes."""

from __future__ import annotations

import io
import logging
import pickle
import traceback
from pathlib import Path

import pytest

import notion_pipeline
from notion_pipeline.errors import AuthorizationError
from notion_pipeline.redaction import Secret, is_token, keep_secret, keep_secrets_unwritten, redact_error, redacted

TOKEN = "zz-Distinctive/Value+1"


@pytest.fixture(autouse=True)
def known() -> Secret:
    return Secret(TOKEN)


@pytest.mark.parametrize(
    "text",
    [
        "ntn_0123456789abcdef",
        "Bearer nrt_A1b2C3d4E5",
        "%20ntn_0123456789",
        "secret_abcdefghijklmnopqrstuvwxyz0123456789",
    ],
)
def test_what_looks_like_a_token_of_notions_is_taken_out(text: str) -> None:
    assert redacted(f"found {text}!").endswith("***!")


@pytest.mark.parametrize("text", ["secret_santa_list", "intntn_x", "ntn_", "Notion's page", "a secret_ingredient"])
def test_ordinary_words_stay(text: str) -> None:
    assert redacted(text) == text


def test_a_known_secret_is_taken_out_by_its_value_also_as_part_of_a_url() -> None:
    assert redacted(f"a {TOKEN} b") == "a *** b"
    assert redacted("?code=zz-Distinctive%2FValue%2B1&x=1") == "?code=***&x=1"


def test_a_secret_within_another_does_not_leave_the_rest_of_it() -> None:
    keep_secret("Value+1")  # too short to be known
    keep_secret(f"{TOKEN}-and-more")
    assert redacted(f"<{TOKEN}-and-more>") == "<***>"


def test_a_secret_shows_itself_only_when_asked(known: Secret) -> None:
    assert TOKEN not in f"{known} {known!r} {[known]} {vars(logging)['__name__']}"
    assert known.reveal() == TOKEN
    assert known == Secret(TOKEN)
    with pytest.raises(TypeError):
        pickle.dumps(known)


def test_our_errors_never_show_it() -> None:
    error = AuthorizationError(f"refused {TOKEN}", hint=f"mend {TOKEN}")
    assert TOKEN not in f"{error} {error!r} {error.args} {error.__dict__}"


def test_errors_of_others_lose_it_through_the_whole_chain() -> None:
    try:
        try:
            raise ValueError(f"Illegal header value b'Bearer {TOKEN}'", TOKEN.encode())
        except ValueError as cause:
            raise RuntimeError("outer") from cause
    except RuntimeError as error:
        redact_error(error)
        assert TOKEN not in "".join(traceback.format_exception(error))


def test_log_records_of_any_library_lose_it() -> None:
    keep_secrets_unwritten()
    keep_secrets_unwritten()
    stream = io.StringIO()
    logger = logging.Logger("somebody.else", logging.DEBUG)
    logger.addHandler(logging.StreamHandler(stream))
    logger.debug("headers %s", [("authorization", f"Bearer {TOKEN}")])
    logger.info("100% sure")
    try:
        raise KeyError(TOKEN)
    except KeyError:
        logger.exception("failed")
    assert TOKEN not in stream.getvalue()
    assert "headers [('authorization', 'Bearer ***')]" in stream.getvalue()
    assert "100% sure" in stream.getvalue()
    assert "KeyError: '***'" in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("ntn_4Ab-c_D.e~f/g+h=", True),
        ("", False),
        ("ntn abc", False),
        (" ntn_abc", False),
        ("ntn_abc\n", False),
        ('"ntn_abc"', False),
        ("'ntn_abc'", False),
        ("ntn_äbc", False),
        ("ntn_\x00", False),
    ],
)
def test_token_is_one_word_of_visible_ascii_without_quotes(text: str, possible: bool) -> None:
    assert is_token(text) is possible


def test_no_module_has_a_rule_of_its_own_for_tokens() -> None:
    root = Path(notion_pipeline.__file__).parent
    ranges = {
        str(file.relative_to(root))
        for file in root.rglob("*.py")
        if '"!" <=' in file.read_text(encoding="utf-8") and "sandbox" not in file.parts
    }
    assert ranges == {"redaction.py"}
