"""The model's files under the seed's name, resolved from a Hugging Face cache with no network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from testbed.image.build import ENGINE, ensure_environment, python_of
from testbed.image.commands import run
from testbed.image.store import digest, draft_in

REPOSITORY = "nvidia/DeepSeek-R1-FP4"
MAKER = Path(__file__).with_name("model_maker.py")
WORDS = ENGINE / "packages" / "tensorrt_llm" / "_emulation" / "words.py"
FILES = (
    "config.json",
    "generation_config.json",
    "hf_quant_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model.safetensors.index.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
)


def ensure_model(
    hf_home: Path,
    models: Path | None = None,
    *,
    cache_dir: Path | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> None:
    """Have the model's files in the Hugging Face cache ``hf_home`` and as a folder in ``models``.

    ``models`` defaults to the folder ``models`` beside ``hf_home``; the plain folder is a
    relative link into the cache, so both may be seen under another path elsewhere. Raise
    ImageBuildError when they cannot be made.
    """
    revision = _revision()
    repository = hf_home / "hub" / ("models--" + REPOSITORY.replace("/", "--"))
    snapshot = repository / "snapshots" / revision
    if not all((snapshot / name).is_file() for name in FILES):
        _make_snapshot(snapshot, cache_dir or _default_cache(), log=log)
    (repository / "refs").mkdir(parents=True, exist_ok=True)
    _write(repository / "refs" / "main", revision)
    _link_plain_folder(
        (models or hf_home.parent / "models") / REPOSITORY.rpartition("/")[2], snapshot
    )


def _revision() -> str:
    """Name the snapshot as git would: forty digits that change with the content."""
    key = digest(MAKER.read_bytes(), WORDS.read_bytes())
    return (key * 3)[:40]


def _make_snapshot(snapshot: Path, cache_dir: Path, *, log: Callable[[str], None]) -> None:
    environment = ensure_environment(cache_dir, log=log)
    snapshot.parent.mkdir(parents=True, exist_ok=True)
    variables = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ENGINE / "packages"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with draft_in(snapshot.parent) as draft:
        command = [str(python_of(environment)), str(MAKER), str(draft / "model")]
        run(command, step="making the model's files", timeout_s=120, env=variables)
        shutil.rmtree(snapshot, ignore_errors=True)
        (draft / "model").rename(snapshot)
    log(f"made the files of {REPOSITORY}")


def _link_plain_folder(link: Path, snapshot: Path) -> None:
    target = os.path.relpath(snapshot, link.parent)
    if link.is_symlink() and str(link.readlink()) == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


def _write(path: Path, text: str) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    draft = path.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return Path(base) / "dynamo-multinode-qualification"
