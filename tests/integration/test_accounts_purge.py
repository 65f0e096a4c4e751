"""What has long ended is forgotten, once an hour, by whoever does the relay's work."""

from sqlalchemy import func, select

from app.db.tables.authorizations import issued_token
from tests.support.application import clinic_of, running

DAY = 24 * 3600


async def kept(application):
    async with application.services.units.accounts.read() as unit:
        return (await unit.connection.fetch(select(func.count()).select_from(issued_token)))[0][0]


async def test_what_has_long_ended_is_forgotten(database, tmp_path):
    async with running(database, tmp_path) as application, clinic_of(application) as clinic:
        relay = application.app.state.relay
        await relay.purge()
        before = await kept(application)
        assert before > 0
        application.clock.turn(seconds=DAY / 2)
        await relay.purge()
        assert await kept(application) == before  # ended, and not long ago
        application.clock.turn(seconds=DAY)
        new = await clinic.ehr.http()
        await relay.purge()
        assert await kept(application) == 1
        assert (await new.get("Patient")).status_code == 200
        await new.aclose()


async def test_it_is_done_once_an_hour(database, tmp_path):
    async with running(database, tmp_path) as application:
        relay = application.app.state.relay
        await relay.purge()
        async with clinic_of(application):
            application.clock.turn(seconds=2 * DAY)
            relay._purged = application.clock.now() - 3599 * 1_000_000
            await relay.purge()
            assert await kept(application) == 1
            application.clock.turn(seconds=1)
            await relay.purge()
            assert await kept(application) == 0
