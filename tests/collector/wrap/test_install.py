"""A client's configuration, wrapped and unwrapped."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.wrap.install import unwrapped, wrapped

TOCSIN = ["/opt/tocsin/bin/tocsin"]
CLAUDE = """{
  "theme": "dark",
  "mcpServers": {
    "files": {"command": "npx", "args": [
        "-y", "@modelcontextprotocol/server-filesystem",  "/srv"
      ], "env": {"A": "1"}},
    "plain":   {"command" : "/usr/bin/server" },
    "remote": {"url": "https://x.example/mcp"}
  }
}
"""
CODE = """{
  // the team's servers
  "inputs": [],
  "servers": {
    "memory": {
      "type": "stdio",
      "command": "npx",      // from npm
      "args": ["-y", "@modelcontextprotocol/server-memory"],
    },
    "github": { "type": "http", "url": "https://api.example/mcp/" },
  },
}
"""


def test_claude_desktops_servers_start_through_the_wrapper() -> None:
    done = wrapped(CLAUDE, TOCSIN, ["--started-by", "/f"])
    assert done.changed == ("files", "plain")
    assert done.left == {"remote": "it is reached over HTTP, for which there is tocsin proxy"}
    servers = json.loads(done.text)["mcpServers"]
    package = "@modelcontextprotocol/server-filesystem"
    assert servers["files"] == {
        "command": TOCSIN[0],
        "args": ["wrap", "--server", "files", "--started-by", "/f", "--", "npx", "-y", package, "/srv"],
        "env": {"A": "1"},
    }
    assert servers["plain"]["args"] == ["wrap", "--server", "plain", "--started-by", "/f", "--", "/usr/bin/server"]
    assert json.loads(done.text)["theme"] == "dark"


@pytest.mark.parametrize("text", [CLAUDE, CODE, CLAUDE.replace("\n", "\r\n"), "\ufeff" + CODE])
def test_undoing_gives_the_text_back_to_the_byte(text: str) -> None:
    done = wrapped(text, TOCSIN, [])
    assert done.text != text
    assert unwrapped(done.text, text).text == text


def test_doing_it_twice_changes_nothing_more() -> None:
    once = wrapped(CODE, TOCSIN, [])
    assert once.changed == ("memory",)
    assert "// from npm" in once.text
    twice = wrapped(once.text, TOCSIN, [])
    assert (twice.text, twice.changed, twice.left["memory"]) == (once.text, (), "it is wrapped already")


def test_what_a_person_changed_meanwhile_stays() -> None:
    done = wrapped(CLAUDE, TOCSIN, [])
    changed = done.text.replace('"theme": "dark"', '"theme": "light", "more": 1')
    assert unwrapped(changed, CLAUDE).text == CLAUDE.replace('"theme": "dark"', '"theme": "light", "more": 1')


def test_without_a_backup_the_meaning_comes_back() -> None:
    done = wrapped(CLAUDE, TOCSIN, [])
    back = json.loads(unwrapped(done.text, None).text)
    assert back["mcpServers"]["files"] == json.loads(CLAUDE)["mcpServers"]["files"]
    assert back["mcpServers"]["plain"] == {"command": "/usr/bin/server", "args": []}


def test_one_server_alone_can_be_meant() -> None:
    done = wrapped(CLAUDE, TOCSIN, [], "plain")
    assert done.changed == ("plain",)
    assert unwrapped(done.text, CLAUDE, "plain").text == CLAUDE
    with pytest.raises(ValueError, match="no server 'nope'; there are: files, plain, remote"):
        wrapped(CLAUDE, TOCSIN, [], "nope")


def test_settings_of_vs_code_and_started_modules_are_known() -> None:
    text = json.dumps({"mcp": {"servers": {"a": {"command": "x"}}}})
    done = wrapped(text, ["/usr/bin/python3", "-m", "tocsin"], [])
    assert json.loads(done.text)["mcp"]["servers"]["a"]["args"][:3] == ["-m", "tocsin", "wrap"]
    assert wrapped(done.text, TOCSIN, []).changed == ()
    assert unwrapped(done.text, text).text == text


@pytest.mark.parametrize("text", ["[]", "{}", '{"servers": 3}', '"x"'])
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither mcpServers nor servers"):
        wrapped(text, TOCSIN, [])


NAMES = st.text(min_size=1, max_size=8)


@given(
    st.dictionaries(NAMES, st.tuples(NAMES, st.none() | st.lists(st.text(max_size=8), max_size=4)), max_size=4),
    st.sampled_from([None, 1, 4]),
)
def test_any_configuration_comes_back(servers: dict[str, Any], indent: int | None) -> None:
    entries = {
        name: {"command": command, **({"args": words} if words is not None else {})}
        for name, (command, words) in servers.items()
    }
    text = json.dumps({"mcpServers": entries}, indent=indent)
    done = wrapped(text, TOCSIN, ["--tenant", "acme"])
    assert set(done.changed) == set(entries)
    for name, entry in json.loads(done.text)["mcpServers"].items():
        rest = entry["args"][entry["args"].index("--") + 1 :]
        assert rest == [entries[name]["command"], *entries[name].get("args", [])]
    assert unwrapped(done.text, text).text == text
