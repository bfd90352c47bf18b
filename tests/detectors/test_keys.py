"""Keys tell entities apart and never group what has no key."""

from hypothesis import given
from hypothesis import strategies as st

from detectors import keys
from detectors.base import KINDS
from stream.directory import from_builtins
from stream.facts import Facts
from tests.detectors.streams import event

TEXTS = st.none() | st.text(alphabet="ab|:0123-", max_size=6)
RAW = st.tuples(TEXTS, TEXTS) | st.tuples(TEXTS, TEXTS, TEXTS) | st.text(alphabet="ab|:0123-", max_size=6)


def test_a_user_a_client_and_an_agent_of_one_name_are_three() -> None:
    raws = {keys.principal(event(0, **{field: "x"})) for field in ("user", "client", "agent")}
    assert len(raws) == 3
    named = [keys.entity_of("principal", raw, Facts()).names for raw in raws if raw is not None]
    assert sorted(name for names in named for name in names) == ["agent", "client", "user"]


def test_nobody_has_no_key() -> None:
    nobody = event(0, tenant=None)
    assert keys.principal(nobody) is None
    assert keys.population(nobody, Facts()) is None
    assert keys.population(event(0), Facts()) is None
    assert keys.target(event(0)) is None


def test_a_role_is_the_peer_group_before_the_client() -> None:
    facts = Facts(from_builtins({"principals": [{"user": "bob", "tenant": "acme", "role": "support"}]}))
    group = keys.population(event(0, user="bob", client="c"), facts)
    assert group is not None
    entity = keys.entity_of("population", group, facts)
    assert (entity.names, entity.tenant) == ({"tenant": "acme", "role": "support"}, "acme")
    assert keys.group(event(0, user="bob", client="c"), facts) == entity.key
    assert keys.group(event(0, user="eve", client="c"), facts) != entity.key


def test_a_source_a_token_and_a_handle_span_tenants() -> None:
    for kind in ("source", "token", "handle"):
        assert keys.entity_of(kind, "x", Facts()).tenant is None


def test_a_server_belongs_to_whom_the_inventory_says() -> None:
    facts = Facts(from_builtins({"servers": [{"name": "billing", "tenant": "acme"}]}))
    assert keys.entity_of("server", "billing", facts).tenant == "acme"
    assert keys.entity_of("server", "billing", Facts()).tenant is None


def test_an_overflow_is_named_as_such() -> None:
    entity = keys.entity_of("principal", keys.overflow("principal", "tenant", "acme"), Facts())
    assert (entity.names, entity.tenant) == ({"overflow": "principal", "tenant": "acme"}, "acme")


def test_no_event_has_more_handles_than_are_looked_at() -> None:
    many = event(0, handles_minted=tuple(f"m{i}" for i in range(500)), handles_presented=("p", "p"))
    assert len(keys.handles(many)) == keys.HANDLES
    assert list(keys.handles(event(0, handles_minted=("h",), handles_presented=("h", "g")))) == ["h", "g"]


@given(first=RAW, second=RAW)
def test_two_keys_never_look_alike(first: keys.Raw, second: keys.Raw) -> None:
    a, b = (keys.digest("principal", raw, b"s") for raw in (first, second))
    same = (first if isinstance(first, tuple) else (first,)) == (second if isinstance(second, tuple) else (second,))
    assert (a == b) == same


def test_ids_depend_on_the_secret_and_the_kind() -> None:
    ids = {keys.digest(kind, "x", secret) for kind in KINDS for secret in (b"one", b"two")}
    assert len(ids) == 2 * len(KINDS)
