from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from data.errors import InputError
from training.accumulation import Accumulation
from training.analogs import Analogs
from training.boosters import ThresholdBoosters
from training.calendar import WEEK_H
from training.elasticities import Elasticities
from training.emptied_since import EmptiedSince
from training.ensemble import Ensemble
from training.features import feature_names
from training.grid import LEARNED
from training.left_alone import LeftAlone
from training.lookup import UNKNOWN
from training.networks import QuantileNetworks
from training.profiles import FillRateProfiles
from training.recalibration import Recalibration
from training.settings import ModelSettings

if TYPE_CHECKING:
    from training.model import FillModel

FORMAT = "brimcast-fill-model"
FORMAT_VERSION = 14
EMPTIED_SINCE = "boosters/emptied-since.txt"
NETWORKS, BRIEF, ANALOGS = "networks", "networks-brief", "analogs"


def save(model: FillModel, folder: Path) -> None:
    """Write a model as a folder, all or nothing: model.json, profiles.parquet, boosters, networks, analogs.

    They are in boosters/ (one a threshold, and one of emptyings, where there are such), networks/, networks-brief/ and
    analogs/. Replaces a model that lies there; raises InputError if something else does.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "model.json").exists():
        raise InputError(
            f"{folder} holds something that is no model", expected="a new or empty folder, or one of an older model",
            remedy="Name another folder.",
        )  # fmt: skip
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        draft = Path(scratch) / "model"
        (draft / "boosters").mkdir(parents=True)
        for k, booster in enumerate(model.ensemble.boosters.boosters):
            if booster is not None:
                booster.save_model(draft / _booster(k))
        if model.emptied_since.booster is not None:
            model.emptied_since.booster.save_model(draft / EMPTIED_SINCE)
        parts = ((NETWORKS, model.ensemble.networks), (BRIEF, model.ensemble.brief), (ANALOGS, model.ensemble.analogs))
        for kind, part in parts:
            for name, array in part.arrays().items():
                path = draft / kind / f"{name}.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, array, allow_pickle=False)
        _profiles_frame(model.profiles).to_parquet(draft / "profiles.parquet", index=False)
        files = sorted(path for path in draft.rglob("*") if path.is_file())
        described = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "features": list(model.feature_names),
            "streams": list(model.streams),
            "quantiles": LEARNED.tolist(),
            "shares": list(model.ensemble.boosters.shares),
            "weights": model.ensemble.weights.tolist(),
            "sha256": {path.relative_to(draft).as_posix(): _digest(path.read_bytes()) for path in files},
            "accumulation": model.accumulation.to_json(),
            "left_alone": model.left_alone.to_json(),
            "recalibration": model.recalibration.to_json(),
            "settings": model.settings.model_dump(),
            **({"elasticities": model.elasticities.to_json()} if model.elasticities is not None else {}),
            "card": {"git_commit": git_commit(), **model.card},
        }
        (draft / "model.json").write_text(json.dumps(described, indent=1))
        if folder.exists():
            shutil.rmtree(folder)
        draft.rename(folder)


def load(folder: Path) -> FillModel:
    """Read a model folder. Runs no code from it. Raises InputError where it is no model, or one of another format."""
    from training.model import FillModel

    described = _described(folder)
    try:
        digests = dict(described["sha256"])
        features = tuple(described["features"])
        shares = tuple(float(share) for share in described["shares"])
        boosters = tuple(_loaded(folder, _booster(k), digests) for k in range(len(shares)))
        ensemble = Ensemble(
            ThresholdBoosters(boosters, shares),
            QuantileNetworks.of_arrays(features, _arrays(folder, NETWORKS, digests)),
            QuantileNetworks.of_arrays(features, _arrays(folder, BRIEF, digests)),
            Analogs.of_arrays(_arrays(folder, ANALOGS, digests)),
            np.array(described["weights"], dtype=float),
        )
        model = FillModel(
            profiles=_profiles(pd.read_parquet(io.BytesIO(_whole(folder, "profiles.parquet", digests)))),
            ensemble=ensemble,
            recalibration=Recalibration.from_json(described["recalibration"]),
            settings=ModelSettings(**described["settings"]),
            streams=tuple(described["streams"]),
            feature_names=features,
            accumulation=Accumulation.from_json(described["accumulation"]),
            left_alone=LeftAlone.from_json(described["left_alone"]),
            emptied_since=EmptiedSince(_loaded(folder, EMPTIED_SINCE, digests)),
            card=described["card"],
            elasticities=Elasticities.from_json(described["elasticities"]) if "elasticities" in described else None,
        )
    except (OSError, KeyError, TypeError, ValueError, lgb.basic.LightGBMError) as error:
        raise _foreign(folder, f"is broken ({str(error).splitlines()[0][:200]})") from error
    if any(booster is not None and booster.feature_name() != list(features) for booster in boosters):
        raise _foreign(folder, "has boosters of other features than its model.json names")
    if model.feature_names != feature_names():
        raise _foreign(folder, "was trained on other features than this version of Brimcast makes")
    return model


def _arrays(folder: Path, kind: str, digests: dict[str, str]) -> dict[str, np.ndarray]:
    """The arrays under a folder of the model by their names; nothing in them is ever unpickled."""
    return {
        name.removeprefix(f"{kind}/").removesuffix(".npy"): np.load(
            io.BytesIO(_whole(folder, name, digests)), allow_pickle=False
        )
        for name in digests
        if name.startswith(f"{kind}/")
    }


def _booster(k: int) -> str:
    return f"boosters/t{k:02d}.txt"


def _loaded(folder: Path, name: str, digests: dict[str, str]) -> lgb.Booster | None:
    """The booster of this file; None where the model has no such file."""
    return lgb.Booster(model_str=_whole(folder, name, digests).decode()) if name in digests else None


def is_intact(folder: Path) -> bool:
    """Whether every file is there as it was saved."""
    try:
        digests = _described(folder)["sha256"]
        return all(_digest((folder / name).read_bytes()) == digest for name, digest in digests.items())
    except (InputError, OSError, KeyError, AttributeError):
        return False


def _whole(folder: Path, name: str, digests: dict[str, str]) -> bytes:
    """A file as it was saved: LightGBM ends the whole process at a text that was cut off or changed."""
    content = (folder / name).read_bytes()
    if _digest(content) != digests[name]:
        raise ValueError(f"{name} is not the file that was saved: its SHA-256 differs from that in model.json")
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _described(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    if not path.is_file():
        raise _foreign(folder, "has no model.json")
    try:
        described = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise _foreign(folder, f"has a model.json that cannot be read ({error})") from error
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise _foreign(folder, "has a model.json of another kind")
    if described.get("format_version") != FORMAT_VERSION or described.get("quantiles") != LEARNED.tolist():
        raise _foreign(folder, f"has format version {described.get('format_version')}")
    return described


def _foreign(folder: Path, found: str) -> InputError:
    return InputError(
        f"The model folder {folder} {found}",
        expected=f"a folder that `brimcast training fit` wrote, format {FORMAT} version {FORMAT_VERSION}",
        remedy="Name another folder, or train a new model.",
    )


def _profiles_frame(profiles: FillRateProfiles) -> pd.DataFrame:
    """One row for each bin (or stream at a kind of site) and hour of the week: rate_pct_per_h and own_weight."""
    pairs = [(stream, site) for stream in profiles.streams_ for site in profiles.sites_]
    kinds = ["bin"] * len(profiles.bin_ids_) + ["stream"] * len(pairs)
    names = [*profiles.bin_ids_, *(stream for stream, _ in pairs)]
    sites = [UNKNOWN] * len(profiles.bin_ids_) + [site for _, site in pairs]
    own = np.vstack([profiles.own_weight_, np.zeros((len(pairs), WEEK_H))])
    evidence = np.concatenate([profiles.evidence_h_, np.zeros(len(pairs))])
    return pd.DataFrame(
        {
            "kind": pd.Series(np.repeat(kinds, WEEK_H), dtype="str"),
            "bin_id": pd.Series(np.repeat(np.array(names, dtype=object), WEEK_H), dtype="str"),
            "site": pd.Series(np.repeat(np.array(sites, dtype=object), WEEK_H), dtype="str"),
            "hour_of_week": np.tile(np.arange(WEEK_H), len(names)),
            "rate_pct_per_h": profiles.table.ravel(),
            "own_weight": own.ravel(),
            "evidence_h": np.repeat(evidence, WEEK_H),
        }
    )


def _profiles(frame: pd.DataFrame) -> FillRateProfiles:
    profiles = FillRateProfiles()
    bins, streams = frame[frame["kind"] == "bin"], frame[frame["kind"] == "stream"]
    profiles.bin_ids_ = bins["bin_id"].to_numpy(object)[::WEEK_H]
    profiles.streams_ = streams["bin_id"].drop_duplicates().to_numpy(object)
    profiles.sites_ = streams["site"].drop_duplicates().to_numpy(object)
    profiles.rates_ = bins["rate_pct_per_h"].to_numpy().reshape(-1, WEEK_H)
    profiles.own_weight_ = bins["own_weight"].to_numpy().reshape(-1, WEEK_H)
    profiles.evidence_h_ = bins["evidence_h"].to_numpy()[::WEEK_H]
    shape = len(profiles.streams_), len(profiles.sites_), WEEK_H
    profiles.kind_rates_ = streams["rate_pct_per_h"].to_numpy().reshape(shape)
    return profiles


def sha256_lines(folder: Path) -> str:
    """The digest of every file of a model folder, as `sha256sum` writes and checks them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "".join(f"{_digest(path.read_bytes())}  {path.relative_to(folder).as_posix()}\n" for path in files)


def git_commit() -> str | None:
    """The commit of the source this runs from, with `+changes` where files differ from it; None outside a checkout."""
    here = Path(__file__).parent
    found = _git("-C", str(here), "rev-parse", "HEAD")
    if found is None or not found.stdout.strip():
        return None
    changes = _git("-C", str(here), "diff", "--quiet", "HEAD", "--", ".", str(here.parent / "data"))
    return found.stdout.strip() + ("+changes" if changes is not None and changes.returncode == 1 else "")


def _git(*words: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(["git", *words], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
