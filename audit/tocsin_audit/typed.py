"""Typed results of FastMCP as the JSON that they become on the wire."""

from collections.abc import Mapping, Sequence
from typing import Any

from tocsin_audit.exchange import InnerCall


def params_of(call: InnerCall) -> dict[str, Any]:
    """The parameters of a call, from the typed message or the raw mapping that the MCP layer was given."""
    message = call.message
    params = getattr(message, "params", message) if not isinstance(message, Mapping) else message
    dumped = dump(params)
    return dumped if isinstance(dumped, dict) else {}


def message_of(call: InnerCall) -> dict[str, Any] | None:
    """The JSON-RPC response that a call will get; null where it raised something that is no JSON-RPC error."""
    if call.answer is not None:
        return dict(call.answer)
    if call.error is not None:
        error = getattr(call.error, "error", None)
        code = getattr(error, "code", None)
        return {"error": {"code": code, "message": str(call.error)}} if isinstance(code, int) else None
    if not call.done or (call.transport == "stdio" and call.result is None):
        return None
    return {"result": _result(call.method, call.result)}


def _result(method: str, result: Any) -> dict[str, Any]:
    if hasattr(result, "structured_content") and hasattr(result, "content"):
        return {
            "content": [dump(block) for block in result.content],
            "structuredContent": result.structured_content,
            "isError": bool(getattr(result, "is_error", False)),
            "_meta": result.meta,
        }
    if isinstance(result, Sequence) and not isinstance(result, str | bytes):
        name = {"resources/templates/list": "resourceTemplates"}.get(method, method.partition("/")[0])
        return {name: [dump(item) for item in result]}
    if hasattr(result, "contents"):
        return {"contents": [_content(item) for item in result.contents]}
    if hasattr(result, "messages"):
        return {"messages": [dump(item) for item in result.messages]}
    dumped = dump(result)
    return dumped if isinstance(dumped, dict) else {}


def _content(item: Any) -> dict[str, Any]:
    content = getattr(item, "content", None)
    return {"text": content} if isinstance(content, str) else {"blob": content}


def dump(value: Any) -> Any:
    """A model as JSON values, by its wire names; a component of FastMCP as the definition that it lists."""
    for name in ("to_mcp_tool", "to_mcp_resource", "to_mcp_template", "to_mcp_prompt"):
        if callable(make := getattr(value, name, None)):
            value = make()
            break
    if callable(make := getattr(value, "model_dump", None)):
        return make(mode="json", by_alias=True, exclude_none=True)
    return dict(value) if isinstance(value, Mapping) else value
