"""What `outlier` is for, what it sees and what it does not: the nine sections, and the techniques it covers."""

from typing import Final

from detectors.base import Documentation

TECHNIQUES: Final = {"outlier": ("T1119", "T1213", "AML.T0085.001", "SAFE-T1801", "ASI02", "ASI10")}

DOCUMENTATION: Final = Documentation(
    goal="Notice hours in which a principal behaves unlike itself in a combination that no single rule looks at: a few "
    "more tools, more denials and writes than usual, at a time when it never works.",
    categorisation="Automated collection (T1119, T1213) and rogue agents in general; AML.T0085.001; SAFE-T1801; ASI02, "
    "ASI10.",
    strategy="Each closed hour of a principal becomes nine features: calls, bytes, rows, tools, rejections, denials, "
    "writes, rows a call, each as a logarithm against its own mean, and how rarely it is active at that time of day. "
    "An isolation forest (Liu, Ting and Zhou 2008) of the tenant's own hours says how few random cuts set it apart. "
    "It is trained each night from the log, on all days but the last two; it replaces the one before only if it finds "
    "no more than a hundredth of those two days odd. It comes to the detector as a control record of plain arrays with "
    "their digest, and counts from the second full hour after it, so that a replay agrees.",
    context="A model holds for one tenant and never sees another's data. Habits are learned hour by hour, never from "
    "late or sampled events, nor from an hour that was told.",
    blind_spots="A tenant with fewer than 300 active hours of principals gets no model. A principal is not judged "
    "before 24 active hours. Whoever is odd from the first day on is usual. An attack spread over many hours, each "
    "of them ordinary. What a principal touched is not looked at, only how much and how.",
    false_positives="A new duty, a first report, an incident at work, travel. About one hour in 500 is told, fewer "
    "where the log holds attacks.",
    validation="Replay a fortnight of a clerk, then one hour at 03:00 with a dozen denials, ten times the usual rows "
    "and tools it never used: one outlier of severity low that names them. An ordinary hour: nothing.",
    priority="Notice, or low where no ordinary hour was ever as odd. It never wakes anybody; it raises the risk of a "
    "principal that something else was found about.",
    response="Read the features that are named and the calls of that hour. Alone it is worth a glance; next to another "
    "finding about the same principal it says that this was no accident.",
)
