"""Clinics, and what they may be called."""

import pytest

from app.core.errors import AppError, Category
from tests.support.application import running


@pytest.fixture
async def application(database, tmp_path):
    async with running(database, tmp_path) as one:
        yield one


@pytest.mark.parametrize("slug", ["Harbour", "har bour", "", "1st", "x" * 41, "café"])
async def test_a_slug_is_plain(application, slug):
    with pytest.raises(AppError) as refusal:
        await application.add_tenant(slug)
    assert refusal.value.category is Category.INVALID


async def test_a_slug_is_taken_once(application):
    await application.add_tenant("harbour")
    with pytest.raises(AppError) as refusal:
        await application.add_tenant("harbour")
    assert refusal.value.category is Category.CONFLICT
