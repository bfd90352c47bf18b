"""What `data_volume` is for, what it sees and what it does not: the nine sections, and the techniques it covers."""

from typing import Final

from detectors.base import Documentation

TECHNIQUES: Final = {
    "volume_burst": (
        "T1213", "T1119", "T1530", "AML.T0036", "AML.T0085.001", "AML.T0086",
        "SAFE-T1801", "SAFE-T1803", "SAFE-T1804", "MCP10", "MCP02", "ASI02",
    ),
    "volume_slow": (
        "T1213", "T1119", "T1020", "AML.T0036", "AML.T0085.001", "AML.T0086",
        "SAFE-T1801", "SAFE-T1804", "MCP10", "MCP02", "ASI02",
    ),
}  # fmt: skip


DOCUMENTATION: Final = Documentation(
    goal="Notice when a principal takes far more data out of MCP servers than it ever does, whether within minutes "
    "(a bulk export by a stolen login or a hijacked assistant) or little by little over days and weeks.",
    categorisation="Collection (T1213, T1119, T1530) and automated exfiltration (T1020); AML.T0036, AML.T0085.001, "
    "AML.T0086; SAFE-T1801, SAFE-T1803, SAFE-T1804; MCP02, MCP10; ASI02.",
    strategy="Calls, bytes, rows and distinct resources of each principal are counted in cells of minutes and hours. "
    "Amounts become started logarithms, log2(amount / typical + 1/2), and are compared with the principal's own season "
    "(24 hours and 7 weekdays) minus what its peers did at the same time (the median of group or tenant). "
    "A burst is told at once when an hour or five minutes pass a bound frozen before they began. The last hour and the "
    "last quarter of one are judged when five minutes close: by their active minutes first (somebody kept at it; "
    "neither one long task nor one large answer inflates them), by calls, and an hour by bytes and rows, where these "
    "lie further out than the largest of usual days; a quarter where it is the largest of its day. Eight hours, a day "
    "and a week are judged when they close. What was flagged is never learned; a new level becomes normal only after "
    "it held for a fortnight.",
    context="A principal is a tenant with the first of user, client and agent. Its peer group is its role in the "
    "directory, else its OAuth client, within the tenant; groups hear of their members' closed five minutes, of 48 "
    "members at most. With few active hours the group's normal stands in and the "
    "interval is wider; without a group, shipped priors do. The `busy` windows of the directory raise all bounds.",
    blind_spots="Growth of less than a 64th of an octave a day (doubling in two months) moves the reference along. "
    "Theft that stays within a principal's usual volume. A group that is stolen from as a whole, at the same time and "
    "the same pace, looks like a launch until it passes the page bound. Servers that report neither rows nor sizes "
    "leave calls and distinct resources. Somebody who works less than 8 minutes of a quarter and less than 20 of an "
    "hour (15 where these are twice what was to be expected) is seen by calls and bytes alone, which must lie further "
    "out. Movement of a group needs at least two other active members.",
    false_positives="A first large report, a migration, a new duty, a job moved to another principal, a quarter's end "
    "that concerns one person. Announce them as `busy` windows; a weekly job is remembered after its second run.",
    validation="Replay a day of a service with its calls repeated thirty times within ten minutes: one volume_burst of "
    "severity high. Repeated 2.5 times over a day: one volume_slow of severity medium and no page. Tripled for "
    "everybody in the tenant: nothing.",
    priority="High for bursts beyond the launch margin, since the data is leaving now. Medium for hours of several "
    "times the usual and for slow collection, low once the same level has been told for three days.",
    response="Look at what was read (evidence, tools, distinct resources) and from where; ask the owner of the "
    "principal. If it was not they, cut the principal or its token off and save the evidence before anything else.",
)
