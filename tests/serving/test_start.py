"""What `serving start` does with the configured store, before it becomes the server."""

from pathlib import Path

import pytest

from data.commands import main as data_main
from data.schema import REVISION
from data.settings import read_settings
from data.store import Store
from serving.commands import main


class Started(Exception):  # noqa: N818 - it is no error: the process would have become the server
    pass


@pytest.fixture
def old_store(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The store of the home, at the first revision; and no server is started."""

    def started(*_: object) -> None:
        raise Started

    def no_registry(*_: object) -> tuple[Path, int]:
        return own_home, 1

    monkeypatch.setattr("os.execve", started)
    monkeypatch.setattr("serving.champion.fetch", no_registry)
    url = read_settings().store
    Store(url).close()
    with pytest.raises(SystemExit):
        data_main(["migrate", "--to", "0001"])
    return url


def test_start_migrates_the_store(old_store: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Started):
        main(["start", "--port", "3987", "--debug"])
    Store(old_store, migrate=False).close()


def test_start_refuses_a_store_that_it_may_not_migrate(
    old_store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BRIMCAST_STORE_MIGRATE", "false")
    with pytest.raises(SystemExit) as caught:
        main(["start", "--port", "3987"])
    assert caught.value.code == 1
    told = capsys.readouterr().err
    assert f"is at revision 0001. Expected revision {REVISION}" in told
    assert "brimcast data migrate" in told


def test_start_waits_for_no_database(monkeypatch: pytest.MonkeyPatch, old_store: str) -> None:
    monkeypatch.setenv("BRIMCAST_STORE", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("BRIMCAST_STORE_WAIT_S", "2")
    with pytest.raises(Started):
        main(["start", "--port", "3987", "--debug"])


def test_start_answers_on_any_address_once_there_is_a_key(
    old_store: str, own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["start", "--host", "0.0.0.0", "--port", "3987"])
    assert refused.value.code == 1
    assert "brimcast serving key create" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["key", "create", "--scope", "read"])
    with pytest.raises(Started):
        main(["start", "--host", "0.0.0.0", "--port", "3987", "--debug"])
    assert "one of 1 keys" in capsys.readouterr().err


def test_start_refuses_keys_that_cannot_be_read(old_store: str, own_home: Path) -> None:
    (own_home / "keys").write_text("nonsense\n")
    with pytest.raises(SystemExit) as refused:
        main(["start", "--port", "3987"])
    assert refused.value.code == 1
