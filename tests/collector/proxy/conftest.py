"""What the proxy's tests share."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def proxy_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TOCSIN_URL", "TOCSIN_KEY", "TOCSIN_SERVER", "TOCSIN_PRODUCER", "TOCSIN_TRUSTED_PROXIES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOCSIN_FINGERPRINT_KEY", "fleet:a key for tests")
    monkeypatch.setenv("TOCSIN_SPOOL", str(tmp_path / "spool"))
