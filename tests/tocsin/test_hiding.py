"""No secret is left in a text, and no sink's answer holds one."""

import io
import logging
from collections.abc import Sequence
from typing import ClassVar

from alerting.alert import Alert
from alerting.sink import Renewing, Result
from tocsin.hiding import HIDDEN, Secrets
from tocsin.secrecy.discreet import discreet
from tocsin.upkeep.logs import Discreet, JsonLines


class Talkative:
    name: ClassVar[str] = "talkative"
    pager: ClassVar[bool] = False
    Options: ClassVar[type] = type(None)
    closed = False

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        return [Result("refused", "401: who is s3cret-token?", after=3.0, repeated=True), Result("done")]

    def close(self) -> None:
        self.closed = True


class Standing(Talkative):
    renew_seconds: ClassVar[float] = 5.0

    def renew(self, alerts: Sequence[Alert]) -> Result:
        return Result("retry", "s3cret-token again")


def test_every_secret_is_hidden_the_longest_first_and_in_json_too() -> None:
    secrets = Secrets()
    for value in ("s3cret", "s3cret-token", 'qu"oted\\back', "https://u:pass-word@h.example/hook/T0K3N?sig=abcdef"):
        assert secrets.learn(value) == value
    assert secrets.hide("a s3cret-token, a s3cret") == f"a {HIDDEN}, a {HIDDEN}"
    assert "oted" not in secrets.hide('{"x": "qu\\"oted\\\\back"}')
    assert "T0K3N" not in secrets.hide("POST /hook/T0K3N failed")
    assert "pass-word" not in secrets.hide("user u with pass-word")


def test_a_short_one_does_not_eat_ordinary_words() -> None:
    secrets = Secrets()
    secrets.learn("the")
    secrets.learn("")
    assert secrets.hide("the tether") == "the tether"


def test_a_sinks_answers_hold_none_and_are_what_they_were_otherwise() -> None:
    secrets = Secrets()
    secrets.learn("s3cret-token")
    plain, standing = Talkative(), Standing()
    refused, done = discreet(plain, secrets).deliver((), frozenset())
    assert refused == Result("refused", f"401: who is {HIDDEN}?", after=3.0, repeated=True)
    assert done == Result("done")
    assert not isinstance(discreet(plain, secrets), Renewing)
    again = discreet(standing, secrets)
    assert isinstance(again, Renewing)
    assert again.renew_seconds == 5.0
    assert again.renew(()).why == f"{HIDDEN} again"
    again.close()
    assert standing.closed


def test_the_log_holds_none_not_even_in_a_traceback() -> None:
    secrets = Secrets()
    secrets.learn("s3cret-token")
    screen = io.StringIO()
    handler = logging.StreamHandler(screen)
    handler.setFormatter(Discreet(JsonLines(), secrets.hide))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    try:
        raise ValueError("s3cret-token")
    except ValueError:
        logger.exception("it failed with %s", "s3cret-token", extra={"header": "s3cret-token"})
    assert "s3cret-token" not in screen.getvalue()
    assert screen.getvalue().count(HIDDEN) >= 3
