"""Settings as an operator writes them."""

import pytest

from app.core.config import Settings


@pytest.mark.parametrize(
    "written, meant",
    [
        ("127.0.0.1", ("127.0.0.1",)),
        ("127.0.0.1, 10.0.0.0/8,::1", ("127.0.0.1", "10.0.0.0/8", "::1")),
        ('["127.0.0.1", "10.0.0.0/8"]', ("127.0.0.1", "10.0.0.0/8")),
        ("", ()),
        ("[]", ()),
    ],
)
def test_a_list_is_words_with_commas_or_a_json_array(monkeypatch, written, meant):
    monkeypatch.setenv("RAPPORT_TRUSTED_PROXIES", written)
    assert Settings().trusted_proxies == meant
