"""Encryption at rest as it is configured: the master keys, read before anything starts."""

from pathlib import Path

from stream.encryption.carried import CarriedKeys
from stream.encryption.columns import Columns
from stream.encryption.crypt import Crypt
from stream.encryption.keys import KeyRing, Master
from stream.errors import ConfigError
from tocsin.config.base import Secret
from tocsin.config.faults import Fault
from tocsin.config.whole import Loaded
from tocsin.config.yamlfile import Path_

UNENCRYPTED = "encrypt: is not set, so that whoever reads the disk reads the log and the alerts"


def masters_of(loaded: Loaded, faults: list[Fault]) -> tuple[Master, ...]:
    """The master keys, the present one first; none where nothing is encrypted. Faults are added."""
    said = loaded.config.encrypt
    if said is None:
        return ()
    places: list[tuple[Path_, Secret]] = [(("encrypt", "key"), said.key)]
    places += [(("encrypt", "previous", number), one) for number, one in enumerate(said.previous)]
    found = []
    for path, secret in places:
        try:
            found.append(_master(loaded, secret))
        except ConfigError as error:
            faults.append(loaded.fault(path, error.what, error.hint))
        except ValueError as error:
            faults.append(loaded.fault(path, str(error)))
    return tuple(found)


def crypt_of(masters: tuple[Master, ...], data: Path, now: float) -> Crypt | None:
    """What encrypts a data directory, made where it is missing; None where nothing is encrypted.

    `now` is in seconds since the epoch. Raises ConfigError or StorageError as `KeyRing` does.
    """
    if not masters:
        return None
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Crypt(KeyRing(data, masters[0], masters[1:]), now)


def columns_of(crypt: Crypt | None, secret: bytes | None = None) -> Columns | None:
    """What encrypts the alerts' database; None where nothing is encrypted.

    `secret` is what all that share the database know; where it is None it is a data key of the directory.
    """
    if crypt is None:
        return None
    if secret is None:
        assert isinstance(crypt.ring, KeyRing)
        secret = crypt.ring.key(crypt.ring.lasting("names"))
    return Columns(crypt, secret)


def carried_crypt(masters: tuple[Master, ...], now: float) -> Crypt | None:
    """What encrypts a log that many processes share; None where nothing is encrypted. `now` is in seconds."""
    return Crypt(CarriedKeys(masters[0], masters[1:]), now) if masters else None


def _master(loaded: Loaded, secret: Secret) -> Master:
    if secret.file is not None:
        secret = Secret(file=loaded.path(secret.file))
    return Master(loaded.secrets.learn(secret.read()))
