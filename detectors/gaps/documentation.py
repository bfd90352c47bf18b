"""The nine sections that say what `audit_gap` is for, what it cannot see, and what to do when it speaks."""

from typing import Final

from detectors.base import Documentation

PAGE: Final = Documentation(
    goal="Notice that somebody is not watched: a producer that fell silent, events that were lost or held back, clocks "
    "and sampling that make what comes worth less, servers that nobody listed. Without it, quiet means nothing.",
    categorisation="Impair defences: disable or modify logs (T1562.008), indicator removal (T1070), monitor evasion "
    "(AML.T0107), lack of audit and telemetry (OWASP MCP08), shadow servers (MCP09).",
    strategy="Everything is judged on the log's clock, so that a replay finds the same. **Silence**: a producer that "
    "sends heartbeats is silent once three of them stay away and five seconds passed (50 seconds at the usual 15, "
    "never less than 30). One without heartbeats is judged by its own rhythm: for each hour of the week, the "
    "longest quiet of the last weeks in it and the hours beside it; silent is who is quiet for four times that, "
    "summed over the hours that pass. Hours in which it is often quiet for twenty minutes or more add nothing, so "
    "that nights and weekends say nothing. "
    "Five or more that fall silent within one heartbeat have one cause and are told once. **Missing numbers**: "
    "whatever lies between the numbers of a run that came, and did not come within the lateness, is missing; when all "
    "of an hour came after all, that is said. **Restarts**: five runs in a quarter of an hour that began and ended in "
    "it and lived less than two minutes. **Clock**: ten events in an hour from more than a minute in the future, or no "
    "heartbeat of five minutes newer than thirty seconds when it came. **Sampling**: an hour with a lower sample rate "
    "than the hours before. **Vantage points**: where one server is watched twice, the share of calls that both saw, "
    "held against the hours before, with four standard deviations of leeway. **Inventory**: five events in a day of a "
    "server that the directory does not list, once it lists any. The engine itself says when a detector failed, and "
    "when the log stood still for more than a minute; then nobody's silence is held against him.",
    context="`tocsin-audit` sends a heartbeat every 15 seconds, numbers every event, also those that it has to drop, "
    "and says when a worker stops; `GET /v1/producer` names the interval. A spool brings what was missing once the way "
    "is free again. Maintenance windows of the directory excuse silence until their end.",
    blind_spots="Who has neither heartbeats nor numbers nor a name (`producer`) cannot be missed, and in the first "
    "fortnight nor can who has only a rhythm. What a run lost before its first or after its last number that came. "
    "Producers that number in leaps are recognised by it, and their numbers are not judged. Heartbeats rarer than "
    "every 100 seconds count as ordinary events. Whoever may stop a service in order may stop its audit: that is a "
    "notice. A producer that was silent for 35 days is forgotten. If this Tocsin itself is down, only the dead man's "
    "switch outside (`heartbeat`) tells.",
    false_positives="A release without a maintenance window that takes longer than three heartbeats between the last "
    "worker's end and the next one's start, where the old one was killed; a holiday on a day that is always busy, for "
    "producers without heartbeats; a server that got a new gateway or lost one.",
    validation="Send heartbeats of a producer every 15 seconds for ten minutes, then none: one finding 50 seconds "
    "after the last. Send number 1 to 100 without 40 to 59: one finding of severity medium two minutes later; send "
    "them: it is over. By hand: stop a server with `kill -9`.",
    priority="High where heartbeats stay away or a thousand numbers are missing in an hour; medium for a broken "
    "rhythm, ten missing numbers, restarts in a loop, less sampling, vantage points that disagree; low for clocks and "
    "unlisted servers; a notice for a single lost number, an orderly end, one worker of several.",
    response="Find where the chain broke: server, spool, network, key, disk. Bring back what was not sent, then look "
    "at the gap from elsewhere; `tocsin coverage` says what is still missing. A switched-off audit is a change of "
    "configuration: find out by whom.",
)
