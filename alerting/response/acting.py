"""What follows a denial: actions elsewhere that were approved with it, their undoing, and whether it stopped."""

import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec
from sqlalchemy import or_, select

from alerting import queries
from alerting.database.schema import ACTIONS, DENIALS
from alerting.database.store import Store
from alerting.response.containment import Containment, shown
from alerting.response.lookup import Searchable
from alerting.response.outside import Action, carry_out, facts_for
from alerting.response.scope import covers, last_accepted
from stream.control import Performed
from stream.errors import RejectedError
from tocsin_audit.event import rfc3339

CONFIRM: Final = "confirm it stopped"
CONFIRM_AFTER: Final = 120.0
"""Seconds after which a denial's subject must have no accepted call any more."""
GRACE: Final = 10.0
"""Seconds that a denial has to reach every server, and what was under way to end."""
BACK: Final = 8 * 24 * 3600.0
"""Seconds of the past whose denials are looked at: more than the longest lasts by default."""
STORED: Final = 30.0
"""Seconds that the word of an action may take to be stored before it is given up for this time."""
_LOOK: Final = 0.02


class Acting:
    """Carries out what was approved with automatic denials, each once: what was begun before a crash stays in doubt.

    `act` brings a word of what was done into the stream of findings and returns when it is durable; nothing new is
    begun once `going` is false.
    """

    def __init__(
        self,
        store: Store,
        log: Searchable,
        rules: Containment,
        act: Callable[[Performed], None],
        going: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._log = log
        self._rules = rules
        self._act = act
        self._going = going

    def turn(self, now: float) -> int:
        """Do what is due; how much that was. `now` is the wall clock in seconds."""
        recent = select(DENIALS).where(or_(DENIALS.c.until > now - BACK, DENIALS.c.lifted_at > now - BACK))
        with self._store.reading() as connection:
            denials = [dict(row) for row in connection.execute(recent.order_by(DENIALS.c.at).limit(1000)).mappings()]
            ids = {id_: row for row in denials for id_ in self._ids(row)}
            known = connection.execute(select(ACTIONS.c.id, ACTIONS.c.state).where(ACTIONS.c.id.in_(ids))).tuples()
            states = dict(known.all()) if ids else {}
        return sum(self._follow(row, states, now) for row in denials if self._going())

    def _ids(self, denial: Mapping[str, Any]) -> list[str]:
        names = [name for name, _ in self._approved(denial)]
        return [_id(denial, word) for word in (CONFIRM, *names, *(f"{name} (undo)" for name in names))]

    def _approved(self, denial: Mapping[str, Any]) -> tuple[tuple[str, Action], ...]:
        place = self._rules.approval(denial["automatic"]) if denial["automatic"] else None
        return self._rules.approvals[place].actions if place is not None else ()

    def _follow(self, denial: Mapping[str, Any], states: Mapping[str, str], now: float) -> int:
        holds = denial["lifted_at"] is None and denial["until"] > now
        done = 0
        for name, action in self._approved(denial):
            before = states.get(_id(denial, name))
            if holds and before is None:
                done += self._perform(denial, name, action, now, undo=False)
            elif not holds and before in ("done", "verified") and action.undo is not None:
                word = f"{name} (undo)"
                if _id(denial, word) not in states:
                    done += self._perform(denial, word, action, now, undo=True)
        due = denial["at"] + CONFIRM_AFTER
        if holds and due <= now < due + 3600.0 and _id(denial, CONFIRM) not in states:
            done += self._confirm(denial, now)
        return done

    def _perform(self, denial: Mapping[str, Any], word: str, action: Action, now: float, *, undo: bool) -> int:
        """Say that it is attempted, and do it where nobody said so before."""
        if not self._said(denial, word, "attempting", now, ""):
            return 0
        incident = queries.find(self._store, denial["incident"]).incident()
        # Nothing of the incident but whom the denial's limits let through: other names in it may be anybody's.
        bare = msgspec.structs.replace(incident, entity=dict(_subject(denial)), facts={}, tenant=None)
        try:
            state, words = carry_out(action, facts_for(bare), undo=undo)
        except RejectedError as error:
            state, words = "failed", error.what
        self._act(_word(denial, word, state, now, words))
        return 1

    def _confirm(self, denial: Mapping[str, Any], now: float) -> int:
        """Look whether a call was accepted since the denial had reached every server, and say so."""
        subject = _subject(denial)
        since = denial["at"] + GRACE
        last = last_accepted(self._log, lambda event: covers(subject, event), since, now)
        if last is None:
            words = f"no call of {shown(subject)} was accepted since {rfc3339(since)[:19]}Z, by the events so far"
        else:
            words = f"a call of {shown(subject)} was accepted at {rfc3339(last)[:19]}Z: the containment missed a way in"
        self._act(_word(denial, CONFIRM, "verified" if last is None else "failed", now, words))
        return 1

    def _said(self, denial: Mapping[str, Any], word: str, state: str, now: float, words: str) -> bool:
        """Whether it was we who said it: who said it before a crash may have done it."""
        self._act(_word(denial, word, state, now, words))
        deadline = time.monotonic() + STORED
        while time.monotonic() < deadline and self._going():
            with self._store.reading() as connection:
                mine = select(ACTIONS.c.at).where(ACTIONS.c.id == _id(denial, word))
                at = connection.execute(mine).scalar_one_or_none()
            if at is not None:
                return bool(at == now)
            time.sleep(_LOOK)
        return False


def _subject(denial: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(msgspec.json.decode(denial["subject"], type=dict[str, str]).items())


def _word(denial: Mapping[str, Any], action: str, state: str, now: float, words: str) -> Performed:
    return Performed(
        id=_id(denial, action),
        incident=denial["incident"],
        action=action,
        state=state,
        by="tocsin",
        at=now,
        result=words,
    )


def _id(denial: Mapping[str, Any], action: str) -> str:
    return blake2b(f"{denial['id']}\0{action}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
