"""The nine sections that say what `cross_tenant` is for, what it cannot see, and what to do when it speaks."""

from typing import Final

from detectors.base import Documentation

PAGE: Final = Documentation(
    goal="Notice every time that a caller of one tenant touches, or is handed, data of another: one foreign row in a "
    "result of thousands is enough, and the page says whose it was.",
    categorisation="Collection from information repositories (T1213), use of a trusted relationship (T1199) or of a "
    "stolen application token (T1550.001); data from AI agent tools (AML.T0085.001), data leakage (AML.T0057); "
    "cross-tenant token leakage (SAFE-T1307.002). OWASP MCP02 and MCP10, CoSAI MCP-T2.",
    strategy="The collector names in `resource_tenants` the owners of everything asked for and everything returned, by"
    " the directory's ownership rules. Each of them that is neither the caller's tenant nor `public`, and "
    "that no grant covers for this caller at this moment, is a finding about this caller and this owner, from"
    " the first event; the hour is summed up when it has closed. Denials are told apart from successes; "
    "denials over three tenants are a search. At the second caller who is handed foreign data by one server "
    "the server itself is named, once. Canaries are told at the first touch. A handle minted for one caller "
    "and presented by another is judged when five minutes have closed, since what several callers are given "
    "is no secret. Where nobody named an owner, ownership is learned day by day. A branch of objects "
    "(`crm://acme/`) that one tenant has nearly to itself, with siblings that other tenants have, belongs to "
    "it, and a stranger there is told: as a notice for the first fourteen days, then aloud. An object by "
    "itself, used by one tenant alone on several days, wakes nobody: among many objects some are used by one "
    "tenant by chance. What another tenant mainly uses on three days has changed hands; single objects that a"
    " tenant uses on three days are known to be shared with it; what is used under a grant teaches nothing.",
    context="Isolation faults of servers look like ordinary successful calls: only the owners of what came back show "
    "them. Grants are facts with a ticket and an end; an expired one silences nothing, and the finding says so.",
    blind_spots="Owners that no rule names and no use has taught; who may use a server is no owner either. "
    "Data reached "
    "through a tool whose result names no owner. Learned ownership sees resources with URIs only, needs days "
    "of use, believes whoever has a branch to himself, and gets used to a stranger who takes the same object "
    "on three days. A handle whose minting was not seen, that several callers are given, or that is presented"
    " in vain. Callers without a tenant cannot be judged; they are counted and reported each day. A caller of"
    " no known name is told about the server. Two callers who each take foreign data for reasons of their own"
    " make a server look leaky. Past the first 64 other tenants in an hour a caller's accesses are told but "
    "not counted.",
    false_positives="Support staff without a grant in the directory; aggregate jobs over all tenants; a merger of "
    "tenants; catalogue objects that nobody marked `public`; ownership rules that read the wrong field. For learned "
    "ownership: a feature that one tenant used first.",
    validation="`tocsin demo` reads another tenant's rows through a server bug. By hand: send one event with `tenant: "
    "acme` and `resource_tenants: [acme, globex]`: a critical `cross_tenant_read` naming globex must appear; a second "
    "one by another user must add `cross_tenant_leak`.",
    priority="Reads, leaks, canaries and handles across tenants are critical; a read under an expired grant is high; "
    "one denial is medium, a search over tenants high; learned ownership is a notice, after fourteen days high; a "
    "handle of a colleague is medium; callers without a tenant are a notice.",
    response="Deny the caller, or switch the tool or the server off where it is the server's fault; keep the evidence; "
    "list which owners, which callers and since when (`resource_tenants` in the events); tell the owners. Then correct "
    "the check, or write down the grant that was missing.",
)
