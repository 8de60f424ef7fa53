from __future__ import annotations

import hashlib
import hmac
import re
import stat
from pathlib import Path

import pytest

from data.errors import InputError
from data.settings import Settings, read_settings
from serving import keys
from serving.commands import main
from serving.keys import Key, Keys, configured_keys, digest_of, keys_file, new_key, read_keys


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


def test_a_key_has_256_random_bits_and_only_its_sha256_is_kept() -> None:
    made = [new_key("gate", ["ingest"]) for _ in range(50)]
    assert len({token for token, _ in made}) == 50
    for token, key in made:
        assert re.fullmatch(r"brimcast_[A-Za-z0-9_-]{43}", token)
        assert key.sha256 == hashlib.sha256(token.encode()).hexdigest()
        assert token not in key.line()


def test_a_line_of_keys_reads_back_as_it_was_written() -> None:
    _, one = new_key("gate", ["ingest", "read"])
    _, two = new_key("ops", ["admin"])
    assert read_keys(f"# who\n\n{one.line()}  # the gateway\n{two.line()}") == Keys((one, two))
    assert read_keys(f"{one.line()};{two.line()}") == Keys((one, two))


@pytest.mark.parametrize(
    "line",
    ["gate", "gate ingest", "gate write " + "0" * 64, "gate ingest 00", "a/b read " + "0" * 64,
     f"gate read {'0' * 64}\ngate ingest {'1' * 64}", "gate  " + "0" * 64],
)  # fmt: skip
def test_a_line_that_is_no_key_is_refused(line: str) -> None:
    with pytest.raises(InputError, match="Line"):
        read_keys(line)


def test_a_key_itself_in_the_configuration_is_refused_without_being_shown() -> None:
    token, _ = new_key("gate", ["read"])
    with pytest.raises(InputError) as refused:
        read_keys(token)
    assert token not in str(refused.value)


def test_admin_may_do_what_the_other_scopes_may() -> None:
    admin, ingest = Key("a", frozenset({"admin"}), ""), Key("i", frozenset({"ingest"}), "")
    assert [admin.may(scope) for scope in keys.SCOPES] == [True, True, True]
    assert [ingest.may(scope) for scope in keys.SCOPES] == [False, True, False]


def test_a_token_is_compared_with_every_key_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [new_key(f"k{place}", ["read"]) for place in range(4)]
    compared: list[str] = []
    compare = hmac.compare_digest

    def counted(known: str, given: str) -> bool:
        compared.append(known)
        return compare(known, given)

    monkeypatch.setattr(keys.hmac, "compare_digest", counted)
    ring = Keys(tuple(key for _, key in made))
    assert ring.find(made[0][0]) == made[0][1]
    assert len(compared) == 4
    assert ring.find("brimcast_nobody") is None
    assert ring.find(made[0][1].sha256) is None


def test_the_command_prints_a_key_once_and_keeps_its_digest(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("key", "create", "--scope", "ingest", "--scope", "read", "--name", "gate") == 0
    told = capsys.readouterr()
    token = told.out.strip()
    file = own_home / "keys"
    assert file.read_text().splitlines()[-1] == f"gate read+ingest {digest_of(token)}"
    assert token not in file.read_text() + told.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert call("key", "list") == 0
    assert capsys.readouterr().out == "gate read+ingest\n"


def test_the_command_refuses_a_name_twice_and_a_scope_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("key", "create", "--scope", "read", "--name", "a") == 0
    assert call("key", "create", "--scope", "read", "--name", "a") == 1
    assert "a key named a already" in capsys.readouterr().err
    assert call("key", "create", "--scope", "everything") == 2
    assert call("key", "create") == 2
    assert call("key", "create", "--scope", "read", "--name", "no spaces") == 1


def test_a_printed_line_is_kept_nowhere_and_counts_from_the_variable(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("key", "create", "--scope", "read", "--name", "board", "--print") == 0
    told = capsys.readouterr()
    assert not (own_home / "keys").exists()
    [line] = re.findall(r"^BRIMCAST_KEYS='(.*)'$", told.err, re.M)
    monkeypatch.setenv("BRIMCAST_KEYS", line)
    found = configured_keys(read_settings()).find(told.out.strip())
    assert found is not None
    assert found.name == "board"
    assert call("key", "create", "--scope", "read", "--name", "board") == 1


def test_a_revoked_key_is_gone_and_the_others_stay(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        assert call("key", "create", "--scope", "read", "--name", name) == 0
    assert call("key", "revoke", "one") == 0
    assert [key.name for key in configured_keys(read_settings()).keys] == ["two"]
    assert call("key", "revoke", "one") == 1


def test_the_keys_may_lie_in_another_file(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, keys_file=tmp_path / "secret" / "keys")
    token, key = keys.create(settings, "gate", ["ingest"])
    assert keys_file(settings).read_text().endswith(key.line() + "\n")
    assert configured_keys(settings).find(token) == key
