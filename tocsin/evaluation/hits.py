"""Which finding hits which incident (CONTRACTS §5): the class fits, and events or, while times overlap, an entity."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tocsin.evaluation.corpus import Case, moment


class Hits:
    """The cases of one truth, indexed so that a finding is held only against those that it could touch."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._cases = cases
        self._by_event: dict[str, list[int]] = defaultdict(list)
        self._by_key: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, case in enumerate(cases):
            for event_id in case.event_ids:
                self._by_event[event_id].append(number)
            for key in case.keys:
                self._by_key[key].append(number)

    def touched(self, finding: Mapping[str, Any]) -> list[Case]:
        """The cases that a finding is about, whatever its class: shared events, or an entity while times overlap."""
        numbers: set[int] = set()
        for event_id in finding.get("event_ids") or ():
            numbers.update(self._by_event.get(event_id, ()))
        close = self._same_entity(finding.get("entity") or {})
        if close - numbers:
            start, end = moment(finding["start"]), moment(finding["end"])
            numbers.update(it for it in close if start <= self._cases[it].end and self._cases[it].start <= end)
        return [self._cases[number] for number in sorted(numbers)]

    def hit(self, finding: Mapping[str, Any]) -> list[Case]:
        """The cases that a finding is about and whose class it names."""
        return of_class(self.touched(finding), finding["class"])

    def _same_entity(self, entity: Mapping[str, Any]) -> set[int]:
        return {number for name, value in entity.items() for number in self._by_key.get((name, str(value)), ())}


def of_class(cases: Iterable[Case], class_: str) -> list[Case]:
    """Those of the cases that a class belongs to."""
    return [case for case in cases if class_ in case.classes]
