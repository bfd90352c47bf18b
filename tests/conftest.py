"""The servers that tests share; their clients are imported where one is asked for, which saves other runs a second."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.services.run import MissingError, join_run, leave_run, skip_or_fail

# A busy machine is no fault of the code, neither in what is tested nor in making up what it is tested with. Where a
# change is judged the examples are the same every time; new ones are looked for everywhere else.
settings.register_profile(
    "tocsin", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("tocsin")

RUN = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RUN] = join_run()


def pytest_unconfigure(config: pytest.Config) -> None:
    leave_run(config.stash[RUN])


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A fresh empty database on a real PostgreSQL, as an SQLAlchemy URL."""
    from tests.services.postgres import fresh_database

    try:
        with fresh_database() as url:
            yield url
    except MissingError as error:
        skip_or_fail(error)


@pytest.fixture(scope="session")
def elasticsearch_url(request: pytest.FixtureRequest) -> str:
    """A real Elasticsearch that all tests of the run share: use a namespace of your own."""
    from tests.services.elasticsearch import shared_elasticsearch

    capture = request.config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled():  # the first download takes a while and says so
            return shared_elasticsearch()
    except MissingError as error:
        skip_or_fail(error)


@pytest.fixture(scope="session")
def kafka_server(request: pytest.FixtureRequest) -> str:
    """host:port of a real Kafka that all tests of the run share: use a prefix of your own."""
    from tests.services.kafka import shared_kafka

    capture = request.config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled():  # the first download takes a while and says so
            return shared_kafka()
    except MissingError as error:
        skip_or_fail(error)
