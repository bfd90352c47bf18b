import psycopg
import pytest
from sqlalchemy import create_engine, text

from tests.services.postgres import fresh_database

pytestmark = pytest.mark.postgres


def test_every_test_gets_an_empty_database_of_its_own(postgres_url: str) -> None:
    with fresh_database() as other:
        assert other != postgres_url
        engine = create_engine(postgres_url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE kept (id integer)"))
        engine.dispose()
        with psycopg.connect(other.replace("postgresql+psycopg", "postgresql")) as connection_to_other:
            tables = connection_to_other.execute("SELECT * FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert tables == []


def test_a_database_is_dropped_even_while_somebody_is_connected() -> None:
    with fresh_database() as url:
        connection = psycopg.connect(url.replace("postgresql+psycopg", "postgresql"))
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()
