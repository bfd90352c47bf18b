"""Attacks on the walls between tenants: reads, refusals, borrowed handles, a leaking server, canaries, mix-ups."""

from collections.abc import Iterator

from tocsin.simulation.directory import moment
from tocsin.simulation.label import Difficulty
from tocsin.simulation.population import Actor, Tenant
from tocsin.simulation.scenarios.stage import Stage, Staged
from tocsin.simulation.season import DAY, HOUR
from tocsin.simulation.seeds import fingerprint, skewed_index
from tocsin.simulation.servers import BY_NAME, Server, Tool
from tocsin.simulation.world import Event, Leak, Moment, refused, uri


def read_configured(stage: Stage, grade: Difficulty) -> Staged:
    """A caller receives another tenant's data: asked for by name, one row in thousands, or under a grant that ended."""
    if grade == "hard":
        return _expired_grant(stage)
    actor = stage.actor("person", "service", "bi")
    owner = stage.stranger_to(actor.tenant)
    label = stage.label("cross_tenant_read", actor.key, grade, severity="critical", also=("cross_tenant_leak",))
    server = stage.server_of("configured")

    def moments() -> Iterator[Moment]:
        at = stage.at
        for _ in range(4 if grade == "easy" else 1):
            if grade == "easy":
                event = _read(stage, actor, server, owner)
            else:
                tool = max(server.tools, key=lambda it: it.rows)
                event = stage.request(actor, server, tool, actor.tenant)
                event["rows"] = 2_000 + stage.rng.randrange(3_000)
                event["response_bytes"] = event["rows"] * 180
                event["resource_tenants"] = (actor.tenant.name, owner.name)
            yield Moment(at, event, label)
            at += 20 + 60 * stage.rng.random()

    return Staged(label, moments())


def _expired_grant(stage: Stage) -> Staged:
    world = stage.world
    helper, owner = stage.helper()
    world.grants.append(
        helper.key
        | {
            "tenant": owner.name,
            "from": moment(max(world.start, stage.at - 3 * DAY)),
            "until": moment(stage.at - 2 * HOUR),
            "ticket": f"SUP-{stage.rng.randrange(10_000, 99_999)}",
        }
    )
    label = stage.label("cross_tenant_read", helper.key, "hard", severity="critical", also=("cross_tenant_leak",))

    def moments() -> Iterator[Moment]:
        at = stage.at
        for _ in range(3):
            yield Moment(at, _read(stage, helper, BY_NAME["crm"], owner), label)
            at += 60 + 60 * stage.rng.random()

    return Staged(label, moments())


def read_learned(stage: Stage, grade: Difficulty) -> Staged:
    """A caller reads objects that, as everything so far shows, belong to another tenant; no rule says so."""
    actor = stage.actor("person", "service", tenant=None)
    owner = stage.stranger_to(actor.tenant)
    reads = {"easy": 12, "medium": 4, "hard": 1}[grade]
    label = stage.label("cross_tenant_read", actor.key, grade, severity="high")
    server = BY_NAME["docs"]

    def moments() -> Iterator[Moment]:
        at = stage.at
        for _ in range(reads):
            event = _read(stage, actor, server, owner)
            event["target"] = uri(server, owner, skewed_index(stage.rng, owner.objects, 6.0))
            yield Moment(at, event, label)
            at += 5 + 30 * stage.rng.random()

    return Staged(label, moments())


def denied(stage: Stage, grade: Difficulty) -> Staged:
    """A caller asks for other tenants' objects and is refused each time."""
    tries, owners = {"easy": (30, 5), "medium": (8, 3), "hard": (3, 1)}[grade]
    actor = stage.actor("person", "service")
    victims = [stage.stranger_to(actor.tenant) for _ in range(owners)]
    label = stage.label("cross_tenant_denied", actor.key, grade, severity="medium", also=("scope_probing",), decides=3)
    server = BY_NAME["crm"]

    def moments() -> Iterator[Moment]:
        at = stage.at
        for number in range(tries):
            victim = victims[number % owners]
            event = refused(
                _read(stage, actor, server, victim), "authz_denied", "not your tenant", auth="insufficient_scope"
            )
            event["resource_tenants"] = (victim.name,)
            yield Moment(at, event, label)
            at += 4 + 20 * stage.rng.random()

    return Staged(label, moments())


def handle(stage: Stage, grade: Difficulty) -> Staged:
    """A task's handle, minted for one principal, is presented by another: a stranger's, or (hard) a colleague's."""
    thief = stage.actor("person", "service")
    tenant = thief.tenant if grade == "hard" else stage.stranger_to(thief.tenant)
    owner = stage.actor("person", "service", tenant=tenant)
    if owner is thief:
        owner = stage.rng.choice(stage.stranger_to(thief.tenant).by_kind["person"])
    count = {"easy": 5, "medium": 1, "hard": 1}[grade]
    label = stage.label("cross_tenant_handle", thief.key, grade, severity="high", also=("cross_tenant_read",))
    server = BY_NAME["tickets"]
    report = next(it for it in server.tools if it.mints)

    def moments() -> Iterator[Moment]:
        at = stage.at - 1800
        minted = []
        for _ in range(count):
            event = stage.request(owner, server, report, owner.tenant)
            event["handles_minted"] = (name := fingerprint(stage.rng),)
            minted.append(name)
            yield Moment(at, event)
            at += 20
        at = stage.at
        for name in minted:
            event = stage.request(thief, server, server.tools[0], thief.tenant)
            event["method"], event["target"] = "tasks/get", "task"
            event["handles_presented"] = (name,)
            event.pop("resource_tenants", None)
            yield Moment(at, event, label)
            at += 9

    return Staged(label, moments())


def leak(stage: Stage, grade: Difficulty) -> Staged:
    """A release breaks a server's isolation: its answers mix tenants, for everybody or for few, until it is undone."""
    share, minutes = {"easy": (0.9, 40), "medium": (0.3, 90), "hard": (0.08, 240)}[grade]
    server = {"easy": "crm", "medium": "tickets", "hard": "billing"}[grade]
    label = stage.label(
        "cross_tenant_leak", {"server": server}, grade, severity="critical", also=("cross_tenant_read",), decides=2
    )
    at = stage.office_hour(stage.world.population.tenants[0])
    stage.world.leaks.append(Leak(at, at + minutes * 60, server, share, label))
    return Staged(label)


def canary(stage: Stage, grade: Difficulty) -> Staged:
    """Somebody reads an object that nobody should ever read; with the caller's own tenant (hard) nothing else shows."""
    actor = stage.actor("person", "service")
    owner = actor.tenant if grade == "hard" else stage.stranger_to(actor.tenant)
    server = BY_NAME["crm"]
    target = uri(server, owner, 99_000 + stage.rng.randrange(900))
    stage.world.canaries.append({"server": server.name, "target": target})
    label = stage.label("canary", actor.key, grade, severity="critical", also=("cross_tenant_read",))

    def moments() -> Iterator[Moment]:
        event = _read(stage, actor, server, owner)
        event["target"] = target
        yield Moment(stage.at, event, label)

    return Staged(label, moments())


def mixup(stage: Stage, grade: Difficulty) -> Staged:
    """An answer meant for one caller goes to another; the collector sees that it does not fit the request."""
    actor = stage.actor("person", "service")
    label = stage.label("mixup", actor.key, grade, severity="high", also=("cross_tenant_read", "cross_tenant_leak"))
    count = {"easy": 4, "medium": 2, "hard": 1}[grade]

    def moments() -> Iterator[Moment]:
        at = stage.at
        for _ in range(count):
            event = stage.request(actor, actor.servers[0], actor.servers[0].tools[0], actor.tenant)
            event["signals"] = ("mixup:response_id",)
            yield Moment(at, event, label)
            at += 30

    return Staged(label, moments())


def _read(stage: Stage, actor: Actor, server: Server, owner: Tenant) -> Event:
    tool = next((it for it in server.tools if it.method == "resources/read"), None)
    if tool is None:
        tool = Tool(server.collection, 1, 900, rows=1, method="resources/read")
    return stage.request(actor, server, tool, owner)
