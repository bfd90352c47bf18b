"""The knobs of `failed_auth`, with what each means to an operator."""

from typing import Final

from detectors.base import Parameter

PARAMETERS: Final = (
    Parameter(
        "brute_guesses",
        10,
        "guesses",
        "against one account, from places it does not use, within `brute_window`",
        3,
        1000,
    ),
    Parameter("brute_window", 1800, "seconds", "the window of a brute force against one account", 60, 7200),
    Parameter("brute_slow_guesses", 40, "guesses", "the same within 24 hours", 10, 10_000),
    Parameter(
        "spray_accounts",
        5,
        "accounts",
        "tried from one source, none of which works from there, within `spray_window`",
        3,
        1000,
    ),
    Parameter("spray_guesses", 15, "guesses", "made from that source at those accounts", 5, 10_000),
    Parameter("spray_window", 3600, "seconds", "the window of a spray", 300, 7200),
    Parameter("spray_slow_accounts", 10, "accounts", "tried from one source within 24 hours", 5, 10_000),
    Parameter(
        "spray_slow_guesses", 30, "guesses", "made from that source at those accounts within 24 hours", 10, 100_000
    ),
    Parameter(
        "nameless_guesses",
        30,
        "tokens",
        "different tokens without a name tried from one source within `spray_window`",
        10,
        100_000,
    ),
    Parameter(
        "stuffing_sources",
        5,
        "sources",
        "unknown to a tenant or server, from which accounts are tried within `stuffing_window`",
        3,
        10_000,
    ),
    Parameter("stuffing_accounts", 8, "accounts", "tried from those sources", 4, 100_000),
    Parameter("stuffing_guesses", 25, "guesses", "made from those sources", 10, 1_000_000),
    Parameter("stuffing_window", 3600, "seconds", "the window of credential stuffing", 300, 7200),
    Parameter(
        "stuffing_slow_factor",
        3,
        "times",
        "what the three numbers of stuffing must be multiplied by for 24 hours",
        1,
        100,
    ),
    Parameter(
        "success_window",
        7200,
        "seconds",
        "after a burst in which a success by the same source or account belongs to it",
        60,
        9000,
    ),
    Parameter(
        "crowd_share",
        5,
        "accounts",
        "in good standing at a source for each further account that may fail there without notice",
        1,
        10_000,
    ),
    Parameter("ceiling", 8, "times", "the floors above that a learned threshold never exceeds", 1, 100),
    Parameter("replay_refused", 5, "sources", "from which one token is refused within an hour", 2, 1000),
    Parameter(
        "replay_accepted",
        6,
        "sources",
        "from which one token is accepted within an hour, none of which it was used from before",
        2,
        1000,
    ),
    Parameter(
        "retries",
        20,
        "refusals",
        "of one token, or of one account for expiry, within ten minutes: a notice to operations",
        5,
        10_000,
    ),
    Parameter(
        "lapsed_accounts",
        5,
        "accounts",
        "of one client refused for expiry within ten minutes: a notice to operations",
        2,
        10_000,
    ),
    Parameter("probing_targets", 8, "targets", "denied to one caller within 30 minutes", 3, 1000),
    Parameter(
        "enumeration_targets",
        20,
        "targets",
        "that one caller asked for within 30 minutes and that were not there",
        5,
        10_000,
    ),
    Parameter(
        "malformed_targets", 60, "targets", "asked for within 30 minutes with parameters that do not fit", 5, 10_000
    ),
    Parameter("outage_callers", 8, "callers", "from familiar places refused within ten minutes", 3, 10_000),
    Parameter(
        "outage_share",
        0.8,
        "share",
        "of all answers of the server in those ten minutes that must be refusals",
        0.3,
        1.0,
    ),
    Parameter("guarded_answers", 20, "answers", "in one hour that show that a server checks credentials", 1, 10_000),
)
