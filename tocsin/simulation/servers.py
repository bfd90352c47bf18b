"""The MCP servers of the simulated provider: their tools, the sizes these answer with, and who owns their objects."""

import math
from dataclasses import dataclass
from typing import Final, Literal

Owned = Literal["configured", "learned", "public", "none"]


@dataclass(frozen=True, slots=True)
class Tool:
    """One thing a server offers.

    `median` and `sigma` describe the bytes of an answer (log-normal); `rows` is the median number of rows, 0 for none.
    """

    name: str
    weight: float
    median: float
    sigma: float = 1.1
    rows: float = 0
    action: str = "read"
    method: str = "tools/call"
    arguments: tuple[str, ...] = ("id",)
    mints: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """One MCP server shared by the provider's tenants.

    `owned` says how the owner of an object is known: by the directory and the collector's rules (`configured`), only by
    who touches it (`learned`), everybody's (`public`), or not at all (`none`).
    """

    name: str
    scheme: str
    owned: Owned
    data: tuple[str, ...]
    tools: tuple[Tool, ...]
    collection: str = "objects"
    open: bool = False

    def mean_bytes(self) -> float:
        """The expected bytes of one answer over all tools."""
        total = sum(tool.weight for tool in self.tools)
        return sum(tool.weight * tool.median * math.exp(tool.sigma**2 / 2) for tool in self.tools) / total


_READ: Final = "resources/read"

SERVERS: Final[tuple[Server, ...]] = (
    Server(
        "crm",
        "crm",
        "configured",
        ("pii",),
        (
            Tool("get_customer", 40, 210, 0.8, 1),
            Tool("search_customers", 22, 2_600, 1.2, 12, arguments=("query", "limit")),
            Tool("customers", 24, 420, 0.9, 1, method=_READ),
            Tool("update_customer", 12, 120, 0.6, 0, "update", arguments=("id", "fields")),
            Tool("export_customers", 0.6, 48_000, 1.0, 350, mints=True, arguments=("filter",)),
        ),
        "customers",
    ),
    Server(
        "billing",
        "billing",
        "configured",
        ("pii", "payment"),
        (
            Tool("get_invoice", 45, 260, 0.8, 1),
            Tool("list_invoices", 20, 3_400, 1.1, 20, arguments=("customer", "month")),
            Tool("invoices", 25, 540, 0.9, 1, method=_READ),
            Tool("create_credit_note", 4, 110, 0.5, 0, "create", arguments=("invoice", "amount")),
        ),
        "invoices",
    ),
    Server(
        "tickets",
        "tickets",
        "configured",
        ("support",),
        (
            Tool("get_ticket", 40, 900, 1.2, 1),
            Tool("search_tickets", 25, 4_200, 1.2, 15, arguments=("query",)),
            Tool("reply", 15, 90, 0.5, 0, "write", arguments=("id", "text")),
            Tool("start_report", 2, 140, 0.5, 0, mints=True, arguments=("period",)),
        ),
        "tickets",
    ),
    Server(
        "docs",
        "docs",
        "learned",
        ("internal",),
        (
            Tool("pages", 55, 5_800, 1.3, 0, method=_READ),
            Tool("find_pages", 25, 1_700, 1.0, 10, arguments=("query",)),
            Tool("edit_page", 8, 130, 0.6, 0, "update", arguments=("page", "patch")),
        ),
        "pages",
    ),
    Server(
        "code",
        "repo",
        "learned",
        ("source",),
        (
            Tool("files", 60, 3_900, 1.5, 0, method=_READ),
            Tool("grep", 25, 1_900, 1.3, 20, arguments=("pattern", "path")),
            Tool("open_pull_request", 4, 210, 0.6, 0, "create", arguments=("branch", "title")),
        ),
        "files",
    ),
    Server(
        "warehouse",
        "dw",
        "configured",
        ("analytics",),
        (
            Tool("query", 70, 16_000, 1.4, 220, arguments=("sql",)),
            Tool("describe_table", 20, 1_300, 0.7, 12, arguments=("table",)),
            Tool("extract", 6, 210_000, 0.8, 2_400, mints=True, arguments=("table", "since")),
        ),
        "tables",
    ),
    Server(
        "search",
        "search",
        "public",
        ("public",),
        (Tool("web_search", 70, 4_800, 0.8, 10, arguments=("query",)), Tool("fetch", 30, 9_500, 1.4, 0)),
    ),
    Server(
        "catalogue",
        "catalogue",
        "public",
        ("public",),
        (Tool("products", 60, 640, 0.7, 1, method=_READ), Tool("list_products", 40, 5_200, 0.8, 25)),
        "products",
    ),
    Server("status", "status", "none", (), (Tool("get_status", 1, 180, 0.2, 0, arguments=()),), open=True),
)

BY_NAME: Final = {server.name: server for server in SERVERS}
IDENTITY: Final = "login"
"""The token endpoint: attempts without a request are seen there."""

CLIENTS: Final[dict[str, tuple[str, ...]]] = {
    "person": ("desk-assistant", "ide-agent", "chat-connector"),
    "support": ("support-console",),
}
"""The OAuth client ids that people act through."""

WORKPLACES: Final[dict[str, tuple[str, ...]]] = {
    "sales": ("crm", "docs", "search", "catalogue"),
    "finance": ("billing", "warehouse", "docs"),
    "engineering": ("code", "docs", "search", "tickets"),
    "care": ("tickets", "crm", "docs", "catalogue"),
    "agent": ("crm", "tickets", "catalogue", "docs"),
    "analytics": ("warehouse", "billing"),
    "batch": ("warehouse",),
    "support": ("crm", "billing", "tickets"),
}
"""Which servers a role works with, most used first."""
