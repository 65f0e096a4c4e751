"""Row numbers: unique whoever takes them, and as many as are needed."""

from __future__ import annotations


async def test_who_needs_more_numbers_than_was_thought_gets_more(clinic):
    units = clinic.application.services.units
    async with (
        units.write(clinic.tenant.id, resources=1, late=True) as one,
        units.write(clinic.tenant.id, resources=1, late=True) as other,
    ):
        taken = [each.number() for _ in range(400) for each in (one, other)]
    assert len(set(taken)) == 800
    async with units.write(clinic.tenant.id, resources=1) as later:
        assert later.number() not in taken
