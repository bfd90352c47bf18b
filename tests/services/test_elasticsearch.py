import os
import subprocess
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from tests.services.elasticsearch import SCRIPT

pytestmark = [pytest.mark.elasticsearch, pytest.mark.xdist_group("elasticsearch")]


def test_the_node_answers_the_official_client_and_makes_data_streams(elasticsearch_url: str) -> None:
    with Elasticsearch(elasticsearch_url) as client:
        assert client.info()["version"]["number"].startswith("9.")
        name = "logs-tocsin.probe-default"
        client.indices.put_index_template(name="tocsin-probe", index_patterns=[name], data_stream={}, priority=300)
        client.index(index=name, document={"@timestamp": "2026-11-01T00:00:00Z"}, op_type="create", refresh=True)
        (stream,) = client.indices.get_data_stream(name=name)["data_streams"]
        assert (stream["template"], stream["generation"]) == ("tocsin-probe", 1)
        client.indices.delete_data_stream(name=name)
        client.indices.delete_index_template(name="tocsin-probe")
        assert name not in [left["name"] for left in client.indices.get_data_stream()["data_streams"]]


def test_a_machine_without_java_is_told_what_is_missing(tmp_path: Path) -> None:
    for name in ("bash", "cat", "cksum", "dirname", "find", "sed", "sort", "tr"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else f"/bin/{name}")
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path), "LC_ALL": os.environ.get("LC_ALL", "C.UTF-8")}
    told = subprocess.run([str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 3
    assert "not installed" in told.stderr or "no JDK of version 21" in told.stderr
