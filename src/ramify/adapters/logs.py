"""Read the logs of inspect, lm-eval, verifiers, prime-rl, slime and verl. Their contents are treated as data only."""

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ramify.adapters.columns import value_at
from ramify.adapters.files import BROKEN, document_of, records_of
from ramify.errors import RunError, reason

MOST_OF_A_MEMBER = 500_000_000
"""The largest member of a .eval log that is read, in bytes."""
_ZSTANDARD = 93
"""The zip method of inspect, which zipfile supports from Python 3.14 on."""
_ATTACHED = "attachment://"


def inspect_rows(file: Path) -> list[dict[str, Any]]:
    """The samples of an inspect log, JSON or .eval; a failed sample has its error in the row."""
    if file.suffix == ".eval":
        log, samples = _read_eval(file)
    else:
        log = document_of(file)
        samples = iter(_list(log, "samples"))
    step = next(
        (at for name in ("eval.metadata.step", "metadata.step") if (at := value_at(log, name)) is not None), None
    )
    return [_sample_row(sample, step) for sample in samples]


def _sample_row(sample: Any, step: Any) -> dict[str, Any]:
    if isinstance(sample, dict) and BROKEN in sample:
        return sample
    error = value_at(sample, "error")
    choices = [_attached(choice, sample) for choice in _list(value_at(sample, "output"), "choices")]
    if error and not choices:
        message = error.get("message", error) if isinstance(error, dict) else error
        return {BROKEN: f"the sample errored: {str(message)[:200]}", "text": str(value_at(sample, "id"))}
    kept = value_at(sample, "metadata")
    row = {"prompt": _attached(value_at(sample, "input"), sample), "target": value_at(sample, "target"), "step": step}
    return {**row, **(kept if isinstance(kept, dict) else {}), "prompt": row["prompt"], "completion": choices or None}


def _attached(value: Any, sample: Any, deeper: int = 6) -> Any:
    """A value with its attachments inserted."""
    if isinstance(value, str) and value.startswith(_ATTACHED):
        found = value_at(sample, "attachments")
        return found.get(value.removeprefix(_ATTACHED)) if isinstance(found, dict) else None
    if isinstance(value, dict) and deeper:
        return {name: _attached(inner, sample, deeper - 1) for name, inner in value.items()}
    if isinstance(value, list) and deeper:
        return [_attached(inner, sample, deeper - 1) for inner in value]
    return value


def _read_eval(file: Path) -> tuple[dict[str, Any], Iterator[Any]]:
    """The header and samples of a .eval file, including truncated ones."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = {info.filename: info for info in archive.infolist()}
            header = next((names[name] for name in ("header.json", "_journal/start.json") if name in names), None)
            log = json.loads(_member(archive, header)) if header else {}
            infos = [info for name, info in names.items() if name.startswith("samples/") and name.endswith(".json")]
            samples = [_sample(archive, info) for info in infos]
    except (OSError, ValueError, RecursionError, EOFError, struct.error, zipfile.BadZipFile) as error:
        raise RunError(f"{file}: cannot be read as a log of inspect: {reason(error, file)}") from None
    return log if isinstance(log, dict) else {}, iter(samples)


def _sample(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    try:
        return json.loads(_member(archive, info))
    except (ValueError, RecursionError, zipfile.BadZipFile) as error:
        return {BROKEN: f"not a sample: {str(error)[:100]}", "text": info.filename}


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read a member of an archive.

    Raises:
        ValueError: it is too large, or incomplete.
    """
    if info.file_size > MOST_OF_A_MEMBER:
        raise ValueError(f"{info.filename} has more than {MOST_OF_A_MEMBER:,} bytes")
    if info.compress_type != _ZSTANDARD:
        with archive.open(info) as member:
            return member.read(MOST_OF_A_MEMBER)
    import zstandard

    assert archive.fp is not None
    archive.fp.seek(info.header_offset)
    header = archive.fp.read(30)
    if header[:4] != b"PK\x03\x04":
        raise ValueError(f"{info.filename} is incomplete")
    name, extra = struct.unpack("<HH", header[26:30])
    archive.fp.seek(name + extra, 1)
    packed = archive.fp.read(info.compress_size)
    try:
        with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
            found = reader.read(MOST_OF_A_MEMBER)
    except zstandard.ZstdError as error:
        raise ValueError(f"{info.filename}: {error}") from None
    if zlib.crc32(found) != info.CRC:
        raise ValueError(f"{info.filename} is damaged: its checksum differs")
    return found


def lm_eval_rows(file: Path) -> list[dict[str, Any]]:
    """The completions of an lm-eval log, once per document; its lines repeat them for each filter."""
    seen: dict[Any, dict[str, Any]] = {}
    for number, row in enumerate(records_of(file)):
        seen.setdefault(f"row {number}" if BROKEN in row or "doc_id" not in row else f"doc {row['doc_id']}", row)
    return list(seen.values())


def trace_rows(file: Path) -> list[dict[str, Any]]:
    """The episodes of a verifiers or prime-rl log, one per line: its task, and its last sampled message as completion.

    Lines of results.jsonl, the format of earlier versions, are returned unchanged.
    """
    found = []
    for episode in records_of(file):
        if BROKEN in episode or "traces" not in episode:
            found.append({**episode, "trains": False})
            continue
        trace = value_at(episode, "traces.0")
        sampled = [node for node in _list(trace, "nodes") if value_at(node, "sampled")]
        calls = _list(trace, "calls")
        names = ("numbers", "nums", "target", "pattern", "prompt", "set")
        work = value_at(episode, "run.work.type") or value_at(episode, "run.type")  # a training also evaluates
        found.append(
            {
                **{name: value_at(episode, f"task.data.{name}") for name in names},
                "completion": value_at(sampled[-1], "message") if sampled else None,
                "finish_reason": value_at(calls[-1], "finish_reason") if calls else None,
                "error": next(iter(_list(episode, "errors")), None),
                "step": value_at(episode, "run.work.step"),
                "reward": _paid(value_at(trace, "rewards")),
                "trains": work == "train",
            }
        )
    return found


def _paid(rewards: Any) -> float | None:
    """The weighted sum of the rewards of a trace; None if there are none."""
    parts = [part for part in rewards.values() if isinstance(part, dict)] if isinstance(rewards, dict) else []
    numbers = [(part.get("score"), part.get("weight", 1.0)) for part in parts]
    if not numbers or any(not isinstance(each, int | float) for pair in numbers for each in pair):
        return None
    return float(sum(score * weight for score, weight in numbers))


def dump_rows(file: Path) -> list[dict[str, Any]]:
    """The rows of a verl dump; earlier outputs of a rollout with several are set aside.

    An agent loop of verl may write several outputs of a rollout, with the same score, as uid PUZZLE_ROLLOUT_OUTPUT.
    """
    rows = records_of(file)
    named = [re.fullmatch(r"(.{1,200}_\d{1,9})_(\d{1,9})", str(row.get("uid")), re.ASCII) for row in rows]
    last: dict[str, int] = {}
    for one in filter(None, named):
        last[one[1]] = max(int(one[2]), last.get(one[1], 0))
    earlier = "an earlier output of the same rollout, as an agent loop writes; the last one is read"
    return [
        {BROKEN: earlier, "text": row} if one is not None and int(one[2]) < last[one[1]] else row
        for row, one in zip(rows, named, strict=True)
    ]


def slime_rows(file: Path) -> list[dict[str, Any]]:
    """The samples of a rollout of slime, as examples/slime_rollouts.py writes them."""
    return [row if BROKEN in row else {**row, "finish_reason": row.get("status")} for row in records_of(file)]


def _list(record: Any, name: str) -> list[Any]:
    found = value_at(record, name)
    return found if isinstance(found, list) else []
