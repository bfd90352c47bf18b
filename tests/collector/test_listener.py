"""Events are durable before the answer, and every refusal says what to do."""

from typing import Any

from stream.decode import decode
from stream.log import EVENTS


def test_what_was_accepted_is_in_the_log(site: Any) -> None:
    key = site.key()
    answer = site.post(b'{"time":1763700000,"server":"s","method":"m","user":"u"}\n', key)
    assert answer.status_code == 200
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    (record,) = site.log.read(EVENTS, 0)
    assert decode(record.frame)[0].user == "u"
