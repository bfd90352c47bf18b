"""The nine sections that say what `failed_auth` is for, what it cannot see, and what to do when it speaks."""

from typing import Final

from detectors.base import Documentation

PAGE: Final = Documentation(
    goal="Notice that somebody guesses, stuffs, replays or goes round credentials of MCP servers, and above all "
    "that he got in, without calling it an attack when agents retry lapsed tokens, clients discover how to log in, "
    "or the identity provider is down.",
    categorisation="Credential access: brute force (T1110.001), password spraying (T1110.003), credential stuffing "
    "(T1110.004); use of valid accounts (T1078.004) and of stolen application tokens (T1550.001); exposed endpoints "
    "(SAFE-T1005) and replayed OAuth tokens (SAFE-T1706). OWASP MCP07.",
    strategy="Every refusal is first given a reason, from the producer's words, the token's age and the kind of "
    "event. Only wrong secrets, wrong audiences, bad signatures and the unexplained count as guesses; one token "
    "counts once, however often it is presented, because guessing needs ever new secrets, and an attempt seen at "
    "the token endpoint and on the request counts once. A machine's secret (of a client, an agent, an API key) is "
    "sooner wrong in its settings than guessed: what fails at one without a fingerprint reaches the first level "
    "only. Where no outcome is named, `auth`, a 401 in `error_code` or the words of `reason` say who was refused. "
    "Guesses are counted in cells of a minute (held three hours) and of an hour (held 26) per account, source, "
    "tenant and server, over every window that contains the event. Places and accounts that got in before, in "
    "earlier hours or at least four minutes ago, are in good standing, and what they fail at is not held against "
    "them: a brute force is guesses from places the account does not use, a spray guesses at accounts that do not "
    "work from that source, stuffing guesses from sources the tenant does not know. Thresholds are the larger of a "
    "floor, the 99.9 % quantile of the entity's usual hour (negative binomial, after a day of hours; of a source "
    "without a past, that of the busiest source of its tenant), and, for a source, a share of those in good "
    "standing there, under a ceiling. A success during or after a burst, by who guessed or by a stranger, is told "
    "at once, whichever arrives first. Four times the threshold is a new finding. People who begin at a new address "
    "mistype as often as a spray guesses, but nearly all of them get in: what a source does to tenants that were "
    "not seen for a day yet pages as five minutes close, if most of those who failed did not get in, and later on "
    "accounts that lately got in there for the first time raise its threshold by one each. Slow guessing over 24 "
    "hours is judged as each hour closes, and an outage, over three to ten minutes, as five minutes close, because "
    "who got in after all is known only then. A token used in turn at familiar and at strange places is in two "
    "hands, where two strange networks of one family (/16, or /32 of IPv6) are two places; one refused or accepted at "
    "many places was copied. A server that was seen to check credentials ten "
    "times may not answer without; before that has been learned, over an hour or two, each five minutes are judged "
    "as they close, and one or two answers without credentials beside ten checks are told: as high where others "
    "were refused the very same, else as medium, since it may be a tool that was left open.",
    context="A first 401 without credentials is how OAuth discovery begins and counts as nothing. Servers say "
    "`invalid_token` for an expired, a rotated and a forged token alike; the fingerprint of the token tells a retry "
    "from a guess. 401 and 403 are answered below the MCP layer, so only a proxy, an ASGI wrapper or a gateway sees "
    "them.",
    blind_spots="Guesses from a place that the account works from (a colleague behind the same address, malware on "
    "the own machine) are not counted, unless they are many different tokens. Without `source_ip` a spray and "
    "stuffing look the same and who of many got in cannot be told, only a log-in or a new token shows a success at "
    "one account (medium where the account was at work before), and a repaired caller after many wrong passwords "
    "looks like a success after guessing. A machine's secret guessed without fingerprints never pages. Producers "
    "that give no reason and no token fingerprint make retries look like guesses: such counts reach the first level "
    "only. A token that claims to be older than its life and is refused without a reason counts as expired. In the "
    "first hour nothing is known, and what stuffing finds then wakes nobody. Slow guessing below the daily numbers "
    "is not seen. Stuffing over several tenants is told per tenant, each above its own threshold; callers without a "
    "tenant are counted by server. A stolen token used from one place only, while its owner does not use it, is not "
    "seen. The keys of sets are hashed without a secret: past 64 different ones an attacker who chooses names can "
    "keep a count from growing further. More than 256 strangers who get in at one source within three hours are one "
    "crowd, of which no success is told.",
    false_positives="A person with a new machine and a forgotten password; a service deployed with a wrong secret "
    "from a new address; a penetration test; a fleet that shares one token and was moved; agents behind changing "
    "exits of several networks, until these are known; a public tool of a server that otherwise demands "
    "credentials, when it is first used after the first hours.",
    validation="`tocsin demo` sprays a token endpoint and logs in with what it found. By hand: send twelve `kind: "
    "auth` events with `outcome: auth_invalid` and `reason: bad password` for one user from one address, then one "
    "`ok` from there: a `brute` and a `success_after` must appear.",
    priority="`success_after` is high, critical after four times the threshold, medium where guesses or the success "
    "may have been the owner's; `unauthenticated` is high, medium on a server that answers some calls openly or is "
    "hardly known; `brute`, `spray`, `stuffing` and `token_replay` are medium, high from four times the threshold; "
    "`outage`, `scope_probing` and `enumeration` are medium; `retry_storm` is a notice.",
    response="After a success: deny the source or token, revoke the account's tokens at the issuer, list what was "
    "called since. Without one: check that the account exists and locks, deny the source, look at the linked "
    "incidents for the same source. For an outage: look at the identity provider and its keys, not at the callers.",
)
