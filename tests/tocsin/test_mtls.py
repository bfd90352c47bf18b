"""Mutual TLS: where it is configured nobody without a certificate of ours is let in, and ours still need their key."""

import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.tocsin.lines import line
from tests.tocsin.program import Program
from tocsin.client import Client
from tocsin_audit.collector import Collector


class Authority:
    """A certificate authority, for as long as a test takes."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self._signed(self._name, self._key, ca=True).public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> Path:
        """A PEM file of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._signed(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), key, ca=False)
        plain = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        path = self._folder / f"{name}-of-{self.path.name}"
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, form, plain) + made.public_bytes(serialization.Encoding.PEM)
        )
        return path

    def _signed(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        made = x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        return made.add_extension(names, critical=False).sign(self._key, hashes.SHA256())


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


def test_nobody_comes_in_without_a_certificate_of_ours(
    tmp_path: Path, ours: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ours.issue("server")
    tls = {"certificate": str(server), "key": str(server), "clients": str(ours.path)}
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.path))

    def status(own: Path | None) -> int:
        context = ssl.create_default_context(cafile=str(ours.path))
        if own is not None:
            context.load_cert_chain(own)
        return httpx.get(f"{url}/healthz", verify=context, timeout=30).status_code

    with Program(tmp_path / "program", {"listen": {"port": 0, "tls": tls}}) as program:
        url = program.listening()
        assert url.startswith("https://")
        assert status(ours.issue("producer")) == 200
        for stranger in (None, Authority(tmp_path, "theirs").issue("producer")):
            with pytest.raises((httpx.HTTPError, ssl.SSLError)):
                status(stranger)
        monkeypatch.setenv("TOCSIN_CERT", str(ours.issue("shipper")))
        headers = {"content-type": "application/x-ndjson"}
        body = str(line(time.time())).replace("'", '"').encode()
        good = Collector(url, (program.data / "first-collector-key").read_text().strip())
        assert good.request("POST", "/v1/events", body=body, headers=headers, timeout=30).status == 200
        wrong = Collector(url, "tcs_0123456789_00")
        assert wrong.request("POST", "/v1/events", body=body, headers=headers, timeout=30).status == 401
        client = Client(url, (program.data / "token").read_text().strip())
        assert client.get("/me")["name"] == "operator"
        for one in (good, wrong, client):
            one.close()
