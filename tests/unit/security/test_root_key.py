"""A root key that is turned over opens what it sealed before, until the former one is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.ids import RandomIds
from app.security.root_key import KeyUnavailable, RootKey


@pytest.fixture
def path(tmp_path: Path) -> Path:
    RootKey.ensure(tmp_path / "root.key", RandomIds())
    return tmp_path / "root.key"


def load(path: Path) -> RootKey:
    return RootKey.load(path, RandomIds())


def test_both_keys_are_good_in_the_overlap(path: Path) -> None:
    root, elsewhere = load(path), load(path)
    before = root.seal(b"secret", purpose="p", about="a")
    first = root.name
    root.turn_over()
    assert root.name != first
    after = root.seal(b"secret", purpose="p", about="a")
    for holder in (root, load(path), elsewhere):  # who has not heard reads the file again
        assert holder.open(before, purpose="p", about="a") == b"secret"
        assert holder.open(after, purpose="p", about="a") == b"secret"
    root.forget_former()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyUnavailable):
        load(path).open(before, purpose="p", about="a")
    assert load(path).open(after, purpose="p", about="a") == b"secret"


def test_a_prepared_key_opens_before_it_is_in_use(path: Path) -> None:
    root = load(path)
    first = root.name
    root.prepare()
    other_machine = path.with_name("copied.key")
    other_machine.write_bytes(path.read_bytes())
    root.turn_over()
    sealed = root.seal(b"secret", purpose="p", about="a")
    copied = load(other_machine)
    assert copied.name == first
    assert copied.open(sealed, purpose="p", about="a") == b"secret"


def test_a_turn_that_was_interrupted_goes_on(path: Path) -> None:
    load(path).turn_over()
    name = load(path).name
    again = load(path)
    again.turn_over()
    assert again.name == name


@pytest.mark.parametrize("text", ["", "next " + "0" * 64, "0" * 63, "0" * 64 + "\nnext zz"])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "root.key"
    file.write_text(text)
    with pytest.raises(KeyUnavailable):
        load(file)
