"""Files that are damaged, folders that are not ours, other processes, full disks: one sentence, or made again."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from ramify import ExperimentConfig, Run, RunError, experiment
from ramify import pipeline as stages
from ramify.adapters.dumps import ImportConfig
from ramify.adapters.foreign import import_run
from ramify.cli import main
from ramify.doctor import examine
from ramify.removal import drop_broken_checkpoints, drop_derived, drop_estimates
from ramify.schemas import ROLLOUTS
from ramify.storage import saving, write_bytes, write_json, write_text
from ramify.tables import fault, is_current, made_by, read_table, scan_table, write_table

GOLDEN = Path(__file__).parent / "golden" / "foreign"


def silent(stage: str, done: int, total: int) -> None:
    """Reports nothing."""


@pytest.fixture
def ramify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; its exit code and what it printed. A traceback fails the test."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ramify", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        if code == 2:
            errors = [line for line in err.splitlines() if line.startswith("error: ")]
            assert err.splitlines()[-1:] == errors, err  # one line, behind those of the progress
        return code, out, err

    return call


def with_rollouts(run: Run) -> Run:
    """A run with some training completions, and its estimates."""
    puzzles = run.puzzles("train").head(6)
    for step in (1, 2):
        rows = [
            (i, p, "text", float(s == step)) for i, p in puzzles["puzzle_id", "pattern"].iter_rows() for s in (1, 3)
        ]
        frame = pl.DataFrame(rows, schema=dict(ROLLOUTS), orient="row")
        write_table(frame, run.rollouts_file(1, step), ROLLOUTS)
    drop_estimates(run)
    stages.score(run, silent)
    return run


RAW = {
    "puzzles": lambda run: run.puzzles_file("test"),
    "completions": lambda run: run.completions_file(1, "test", 4),
    "rollouts": lambda run: run.rollouts_file(1, 2),
}
DERIVED = {
    "grades": lambda run: run.derived_file("grades", 1, "length", 0),
    "attempts": lambda run: run.derived_file("attempts", 1, "test", 4),
    "estimates": lambda run: run.estimates_file,
}


def flipped(data: bytes, name: str) -> bytes:
    random, changed = Random(name), bytearray(data)
    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "two bytes": lambda data: data[:2],
    "cut in half": lambda data: data[: len(data) // 2],
    "without its last byte": lambda data: data[:-1],
    "text": lambda data: b"<html>404 not found</html>",
    "noughts": lambda data: bytes(len(data)),
    "twice": lambda data: data + data,
    "the last bytes alone": lambda data: data[-100:],
}
FLIPS = {f"flip {number}": (lambda data, name=f"flip {number}": flipped(data, name)) for number in range(6)}


def some_slow(kinds: Iterable[str], fast: str) -> list[Any]:
    """All kinds, marked as slow but for one."""
    return [kind if kind == fast else pytest.param(kind, marks=pytest.mark.slow) for kind in kinds]


@pytest.mark.parametrize("kind", some_slow(DERIVED, fast="grades"))
def test_a_damaged_derived_table_is_made_again(known_run: Run, ramify: Callable, kind: str) -> None:
    run = with_rollouts(known_run)
    file = DERIVED[kind](run)
    before, estimates = file.read_bytes(), run.estimates_file.read_bytes()
    for name, damage in {**DAMAGES, **FLIPS}.items():
        file.write_bytes(damage(before))
        assert not is_current(file, made_by(run.task.GRADER_VERSION, kind == "estimates")), name
        if name not in ("text", "flip 0", "flip 1"):  # scoring takes a second
            continue
        stages.score(run, silent)
        assert file.read_bytes() == before, name
        assert run.estimates_file.read_bytes() == estimates, name
    file.write_bytes(before[:-1])
    assert ramify("report", run.path)[0] == 0


@pytest.mark.parametrize("kind", some_slow(RAW, fast="completions"))
def test_a_damaged_raw_table_is_named_with_the_remedy(known_run: Run, ramify: Callable, kind: str) -> None:
    run = with_rollouts(known_run)
    file = RAW[kind](run)
    before = file.read_bytes()
    drop_derived(run, 1, "test", 4)
    for number, damage in enumerate([*DAMAGES.values(), *FLIPS.values()]):
        file.write_bytes(damage(before))
        drop_estimates(run)
        verb = ["report", "score", "compare"][number % 3]
        code, _, said = ramify(verb, run.path, *([run.path] if verb == "compare" else []))
        assert code == 2
        assert f"{file}: " in said
        assert "delete it, and " in said or "do without it" in said
    file.write_bytes(before)
    assert ramify("report", run.path)[0] == 0


@pytest.mark.slow
def test_no_bit_of_a_table_can_change_unseen(known_run: Run) -> None:
    for kind, file in {**RAW, **DERIVED}.items():
        path = file(with_rollouts(known_run))
        before = path.read_bytes()
        for number in range(400):
            path.write_bytes(flipped(before, f"{kind}/{number}"))
            assert fault(path) is not None, (kind, number)
        path.write_bytes(before)
        assert fault(path) is None


def test_tables_from_before_there_were_hashes(known_run: Run, tmp_path: Path) -> None:
    old = tmp_path / "old.parquet"
    frame = known_run.puzzles("test")
    frame.write_parquet(old, metadata={"ramify_schema": "1"})
    assert read_table(old).equals(frame)
    frame.write_parquet(old, metadata={"ramify_schema": "2"})
    with pytest.raises(RunError, match="damaged, it has no hash"):
        scan_table(old)
    frame.write_parquet(old, metadata={"ramify_schema": "7"})
    with pytest.raises(RunError, match="schema version 7, this ramify reads 2"):
        scan_table(old)
    frame.write_parquet(old, metadata={"ramify_schema": "1"})
    for data in (damage(old.read_bytes()) for damage in (DAMAGES["cut in half"], DAMAGES["noughts"])):
        old.write_bytes(data)
        assert "damaged" in str(fault(old))


def test_a_column_that_is_missing_or_of_another_type(known_run: Run) -> None:
    file = known_run.derived_file("grades", 1, "test", 4)
    frame = read_table(file)
    for wrong in (frame.drop("verdict"), frame.with_columns(verdict=pl.lit(1))):
        write_table(wrong, file, versions=made_by(known_run.task.GRADER_VERSION))
        drop_estimates(known_run)
        with pytest.raises(RunError, match="its column verdict is missing or of another type"):
            stages.score(known_run, silent)


def test_a_column_without_a_type_is_not_written(tmp_path: Path) -> None:
    for values in ([None], [[]]):
        with pytest.raises(TypeError, match="the column pattern has no type"):
            write_table(pl.DataFrame({"pattern": values}), tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())


JSON = {
    "empty": b"",
    "cut off": b'{"digest": "0123',
    "a list": b"[]",
    "without keys": b"{}",
    "bytes": bytes(range(256)),
    "without end": b"[" * 100_000,
}


@pytest.fixture
def imported_run(tmp_path: Path) -> Run:
    found = import_run([GOLDEN / "verl"], "theirs", tmp_path, ImportConfig(), silent)
    stages.score(found.run, silent)
    return found.run


@pytest.mark.parametrize("damage", JSON)
def test_damaged_json_is_named(known_run: Run, imported_run: Run, ramify: Callable, damage: str) -> None:
    manifest = {"versions": {}, "commit": None, "machine": {}, "device": "cpu", "seconds": 1}
    write_json(manifest | {"seeds": [1], "digest": ""}, known_run.manifest_file)
    for file in (known_run.certificate_file, known_run.manifest_file, imported_run.import_file, known_run.config_file):
        before = file.read_bytes()
        file.write_bytes(JSON[damage])
        for verb in ("report", "doctor"):
            code, out, said = ramify(verb, file.parent)
            assert code == (2 if verb == "report" else 1)
            assert (str(file) if verb == "report" else f"{file.name}: damaged") in (said or out).replace("\n", "")
        if file != known_run.config_file:
            file.write_bytes(before)
    for verb in (["sample"], ["report", "--text"], ["export", "dataset"]):
        code, _, said = ramify(*verb, known_run.path)
        assert (code, "restore it from a copy" in said) == (2, True), verb


def test_settings_that_were_changed_by_hand(known_run: Run, ramify: Callable) -> None:
    known_run.config_file.write_text(known_run.config_file.read_text().replace('"samples": 4', '"samples": 5'))
    assert "changed since it was written" in ramify("report", known_run.path)[2]


def test_a_damaged_log_and_mark(known_run: Run, tiny_config: ExperimentConfig) -> None:
    from ramify.train.job import _cut_log

    log = known_run.train_log(1)
    log.write_bytes(b'{"step": 1}\n{"step": 2, "lo\n\xff\xfe\n[]\n{"step": "x"}\n{"step": 3}\n{"step": 9}\n')
    _cut_log(log, 4)
    assert log.read_text().splitlines() == ['{"step": 1}', '{"step": 3}']
    checkpoint = known_run.checkpoints_folder(1) / "checkpoint-2"
    write_text("\x00\x01", known_run.completion_marker(checkpoint))
    with pytest.raises(RunError, match="does not contain the number of processes"):
        known_run.saved_by(checkpoint)


@pytest.mark.slow
def test_missing_puzzles_are_made_again(known_run: Run, tiny_config: ExperimentConfig) -> None:
    file = known_run.puzzles_file("test")
    before = file.read_bytes()
    file.unlink()
    stages.generate(tiny_config, known_run, silent)
    assert file.read_bytes() == before
    write_table(known_run.puzzles("length").head(1), known_run.puzzles_file("length"))
    file.unlink()
    with pytest.raises(RunError, match="not the puzzles that this version of ramify draws"):
        stages.generate(tiny_config, known_run, silent)


def test_an_import_reads_again_what_is_damaged(imported_run: Run, ramify: Callable) -> None:
    file = imported_run.completions_file(1, "test", 50)
    before, estimates = file.read_bytes(), imported_run.estimates_file.read_bytes()
    file.write_bytes(before[:-9])
    shutil.rmtree(imported_run.path / "seed-1" / "grades")
    assert "repeat the same ramify import" in ramify("report", imported_run.path)[2]
    import_run([GOLDEN / "verl"], "theirs", imported_run.path.parent, ImportConfig(), silent)
    stages.score(imported_run, silent)
    assert (file.read_bytes(), imported_run.estimates_file.read_bytes()) == (before, estimates)


def test_doctor(known_run: Run, ramify: Callable) -> None:
    run = with_rollouts(known_run)
    code, out, _ = ramify("doctor", run.path)
    assert code == 0, out
    assert "damaged" not in out
    for file in (run.rollouts_file(1, 1), run.derived_file("grades", 1, "test", 0)):
        file.write_bytes(flipped(file.read_bytes(), "doctor"))
    (run.path / "seed-old").mkdir()
    write_text("half", run.path / "seed-1" / "rollouts" / ".step-000003.parquet.7.tmp")
    broken = run.checkpoints_folder(1) / "checkpoint-2"
    write_text("{}", broken / "config.json")
    whole = run.checkpoints_folder(1) / "checkpoint-4"
    write_text("1\n", run.completion_marker(whole))
    write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{}", whole / "model.safetensors")
    files = {str(file) for file in run.path.rglob("*")}
    code, out, _ = ramify("doctor", run.path, "--json")
    assert code == 1
    found = {one["file"]: one for one in json.loads(out) if one["state"] != "whole"}
    assert {name: (one["state"], one["rebuilt"]) for name, one in found.items()} == {
        "seed-1/rollouts/step-000001.parquet": ("damaged", False),
        "seed-1/grades/test/step-000000.parquet": ("damaged", True),
        "seed-old": ("stray", False),
        "seed-1/rollouts/.step-000003.parquet.7.tmp": ("unfinished", False),
        "seed-1/checkpoints/checkpoint-2": ("unfinished", True),
        "seed-1/checkpoints/checkpoint-4": ("damaged", False),
    }
    assert "rebuilds it" in found["seed-1/grades/test/step-000000.parquet"]["message"]
    assert "do without it" in found["seed-1/rollouts/step-000001.parquet"]["message"]
    assert "model.safetensors is truncated" in found["seed-1/checkpoints/checkpoint-4"]["message"]
    assert {str(file) for file in run.path.rglob("*")} == files
    assert "seed-old: not a folder of the run" in ramify("doctor", run.path)[1]


def test_stray_folders_are_left_alone(known_run: Run, ramify: Callable) -> None:
    before = known_run.estimates_file.read_bytes()
    strays = [known_run.path / name for name in ("seed-old", "seed-1-backup", "seed-01", "seed-²", "seed-")]
    strays += [
        known_run.checkpoints_folder(1) / name for name in ("checkpoint-2-backup", "checkpoint-old", "checkpoint-02")
    ]
    for stray in strays:
        shutil.copytree(known_run.path / "puzzles", stray)
    table = known_run.completions_file(1, "test", 4)
    for name in ("step-4.parquet", "step-000004 (copy).parquet", "step-00000x.parquet", "notes.parquet"):
        shutil.copy(table, table.with_name(name))
    drop_estimates(known_run)
    assert ramify("report", known_run.path)[0] == 0
    assert known_run.estimates_file.read_bytes() == before
    (known_run.checkpoints_folder(1) / "checkpoint-2").mkdir()
    drop_broken_checkpoints(known_run, 1)
    assert all(stray.is_dir() for stray in strays)
    assert not (known_run.checkpoints_folder(1) / "checkpoint-2").exists()
    assert (known_run.seeds, known_run.checkpoints(1)) == ([1], {})
    found = {one.file for one in examine(known_run) if one.state == "stray"}
    assert {stray.name for stray in strays[:5]} <= found


# Settings of other versions.


def test_a_setting_that_a_later_version_added(known_run: Run, tiny_config: ExperimentConfig) -> None:
    saved = json.loads(known_run.config_file.read_text())["config"]
    del saved["train"]["max_grad_norm"], saved["sample"]["greedy"]
    write_json({"digest": "0" * 12, "config": saved}, known_run.config_file)
    config, root = tiny_config, known_run.path.parent
    known_run.path.rename(root / "tiny")
    assert experiment.open_run(config, root).digest == "0" * 12
    train = config.train.model_copy(update={"max_grad_norm": 2.0})
    with pytest.raises(RunError, match=r"train\.max_grad_norm: 1\.0 there, 2\.0 here"):
        experiment.open_run(config.model_copy(update={"train": train}), root)


def test_a_setting_that_a_later_version_took_away(known_run: Run, tiny_config: ExperimentConfig) -> None:
    saved = json.loads(known_run.config_file.read_text())
    saved["config"]["train"]["gone"] = 3
    write_json({"digest": "0", "config": saved["config"]}, known_run.config_file)
    known_run.path.rename(known_run.path.parent / "tiny")
    with pytest.raises(RunError, match=r"train\.gone: 3 there, null here"):
        experiment.open_run(tiny_config, known_run.path.parent)


def test_an_import_of_an_earlier_version_goes_on(imported_run: Run) -> None:
    saved = json.loads(imported_run.config_file.read_text())["config"]
    del saved["imported"]["every"]
    write_json({"digest": "0", "config": saved}, imported_run.config_file)
    root = imported_run.path.parent
    assert import_run([GOLDEN / "verl"], "theirs", root, ImportConfig(), silent).run.seeds == [1]
    with pytest.raises(RunError, match=r"imported\.training: null there, true here"):
        import_run([GOLDEN / "verl"], "theirs", root, ImportConfig(training=True), silent)


# Other processes.

HOLD = """
import sys
from ramify import Run
with Run(sys.argv[1]).writing() if sys.argv[2] == "writing" else Run(sys.argv[1]).scoring(lambda *_: None):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holding(known_run: Run) -> Iterator[Callable[[str], subprocess.Popen]]:
    """Start a process that holds a lock of the run."""
    started: list[subprocess.Popen] = []

    def hold(kind: str) -> subprocess.Popen:
        command = [sys.executable, "-c", HOLD, str(known_run.path), kind]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout is not None
        assert started[-1].stdout.readline() == "held\n"
        return started[-1]

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_process_is_told_of_the_first(
    known_run: Run, tiny_config: ExperimentConfig, holding: Callable, ramify: Callable
) -> None:
    first = holding("writing")
    with pytest.raises(RunError, match=rf"another process is at work on this run: process {first.pid} on "):
        stages.generate(tiny_config, known_run, silent)
    assert f"process {first.pid}" in ramify("sample", known_run.path)[2]
    known_run.derived_file("grades", 1, "test", 4).unlink()
    assert ramify("report", known_run.path)[0] == 0
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    stages.generate(tiny_config, known_run, silent)


def test_a_process_that_holds_a_run_may_take_it_again(known_run: Run, tiny_config: ExperimentConfig) -> None:
    with known_run.writing(), Run(known_run.path).writing():
        stages.generate(tiny_config, known_run, silent)
    with known_run.writing():
        pass


def test_scoring_waits_for_who_scores(known_run: Run, holding: Callable) -> None:
    first = holding("scoring")
    before = known_run.estimates_file.read_bytes()
    drop_estimates(known_run)
    told: list[str] = []

    def report(stage: str, done: int, total: int) -> None:
        told.append(stage)
        if stage.startswith("waiting"):
            assert first.stdin is not None
            first.stdin.write("\n")
            first.stdin.flush()

    stages.score(known_run, report)
    assert told[0].startswith(f"waiting for process {first.pid} on ")
    assert known_run.estimates_file.read_bytes() == before


# Writing.


def test_a_page_into_a_folder_leaves_nothing(known_run: Run, ramify: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    for target in (folder, Path("/")):
        code, _, said = ramify("report", known_run.path, "--output", target)
        assert (code, "is a folder; name a file" in said) == (2, True)
    assert not list(tmp_path.rglob("*.tmp"))
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt(), MemoryError()]
)
@pytest.mark.parametrize("method", ["write_bytes", "replace"])
def test_what_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, error: BaseException
) -> None:
    write_text("before", tmp_path / "a.txt")
    real = getattr(Path, method)

    def half(self: Path, *arguments: object) -> None:
        if method == "write_bytes":
            real(self, b"half")
        raise error

    monkeypatch.setattr(Path, method, half)
    with pytest.raises((RunError, KeyboardInterrupt, MemoryError)) as raised:
        write_text("after", tmp_path / "a.txt")
    monkeypatch.undo()
    if isinstance(error, OSError):
        assert "a.txt: cannot be written: No space left on device; finished work is kept" in str(raised.value)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"a.txt": "before"}


TRAINING = ["train.kind=sft", "train.steps=2", "train.save_steps=1", "train.examples_per_step=8", "train.micro_batch=8"]
SMALL = ["task.train={3=17}", "task.test={3=17}", "task.length={}", "task.held_out={3=1}", "task.skills={}", *TRAINING]
LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/there/a.bin"), "/there/a.bin: cannot be written: Disk quota"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "checkpoints: cannot be written: No space"),
        (RuntimeError("inline_container.cc:672] . unexpected pos 640 vs 534"), "the disk took only a part of it"),
        (RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed"), "only a part of it"),
    ],
)
def test_what_libraries_say_of_a_full_disk(error: Exception, said: str) -> None:
    with pytest.raises(RunError, match=re.escape(said)), saving(Path("checkpoints")):
        raise error
    for other in (
        OSError(errno.ENOENT, "No such file"),
        RuntimeError("PytorchStreamReader failed reading zip archive"),
    ):
        with pytest.raises(type(other), match=str(other).rpartition("] ")[2]), saving(Path("checkpoints")):
            raise other


@pytest.mark.slow
@pytest.mark.parametrize("limit", [2_000_000, 5_000_000], ids=["the weights", "the optimizer"])
def test_a_checkpoint_that_finds_no_room(tmp_path: Path, limit: int) -> None:
    """Files of more than the limit cannot be written, as on a full disk: the weights are 3.5 MB, the optimizer 7."""
    code = "from ramify.cli import main; main()"
    command = ["train", "quickstart", *SMALL, "--root", str(tmp_path)]
    full = [sys.executable, "-c", LIMITED + code, str(limit), *command]
    done = subprocess.run(full, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert re.search(r"^error: .*checkpoints.*: cannot be written: ", done.stderr.strip().splitlines()[-1])
    run = Run(tmp_path / "quickstart")
    assert not list(run.checkpoints_folder(1).glob("checkpoint-*"))
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(run.checkpoints(1)) == [1, 2]


@pytest.mark.slow
def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """A disk of 6 MB in memory: the first checkpoint does not fit on it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only the administrator can mount a disk")
    try:
        code = "from ramify.cli import main; main()"
        command = [sys.executable, "-c", code, "train", "quickstart", *SMALL, "--root", str(disk)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert "cannot be written: " in done.stderr.strip().splitlines()[-1]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
