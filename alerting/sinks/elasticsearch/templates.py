"""The templates of our data streams: mappings, life time and settings, installed when the cluster has none or older."""

from importlib.resources import files
from typing import Any, Final

import msgspec
from elasticsearch import ApiError, Elasticsearch, NotFoundError

STREAM: Final = "logs-tocsin.alert"
"""The data stream of alerts, without its namespace; also the name of its index template."""


def install(client: Elasticsearch) -> str:
    """Install what is missing or older than ours and leave newer ones alone; gives what stands in the way, or nothing.

    Being refused (401, 403) is the operator's choice to install templates elsewhere. Raises what the client raises for
    a service that is down.
    """
    try:
        for name, template in shipped("component"):
            if _version(client.cluster.get_component_template, name, "component_templates") < template["version"]:
                client.cluster.put_component_template(name=name, **_arguments(template))
        for name, template in shipped("index"):
            if _version(client.indices.get_index_template, name, "index_templates") < template["version"]:
                client.indices.put_index_template(name=name, **_arguments(template))
    except ApiError as error:
        if error.status_code in (401, 403):
            return f"templates could not be installed: {error.error}"
        raise
    return ""


def shipped(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """The templates of a kind (`component` or `index`) as they are shipped, by name."""
    found = []
    for file in files(__package__).joinpath("templates").iterdir():
        if file.name.startswith(f"{kind}-"):
            name = file.name.removeprefix(f"{kind}-").removesuffix(".json")
            found.append((name, msgspec.json.decode(file.read_bytes(), type=dict[str, Any])))
    return sorted(found)


def _version(get: Any, name: str, listed: str) -> int:
    try:
        (found,) = get(name=name)[listed]
    except NotFoundError:
        return 0
    template = found.get("component_template") or found.get("index_template")
    return int(template.get("version", 0))


def _arguments(template: dict[str, Any]) -> dict[str, Any]:
    return {("meta" if key == "_meta" else key): value for key, value in template.items()}
