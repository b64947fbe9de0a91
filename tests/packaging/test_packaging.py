"""What is released, and the files that build it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from tools import check_dist

from tests.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_version_stands_in_one_place_and_the_changelog_has_its_section():
    assert PROJECT["dynamic"] == ["version"]
    assert f"## [{check_dist.version()}]" in (ROOT / "CHANGELOG.md").read_text()


def test_a_wheel_that_is_built_passes_every_check(tmp_path):
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert check_dist.main(tmp_path) == 0


@pytest.mark.parametrize(
    "name", ["tests/test_x.py", "dataflow/__pycache__/a.pyc", "dataflow/out.run.json", "x.py"]
)
def test_a_wheel_with_what_does_not_belong_there_is_refused(name):
    assert check_dist.is_forbidden(name)


def test_two_wheels_are_refused(tmp_path, capsys):
    for number in (1, 2):
        with zipfile.ZipFile(tmp_path / f"a{number}.whl", "w") as archive:
            archive.writestr("x", "")
    assert check_dist.main(tmp_path) == 1
    assert "2 wheels" in capsys.readouterr().out


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_hash_and_gets_no_more_rights_than_it_needs(path):
    yaml = pytest.importorskip("yaml")
    text = path.read_text()
    for used in re.findall(r"uses: (\S+)", text):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", used), used
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert "timeout-minutes" in job, name
        if "permissions" in job:
            assert (name, job["permissions"]) == ("publish", {"id-token": "write"})


def test_an_action_has_one_hash_in_all_workflows():
    hashes = {}
    for path in WORKFLOWS:
        for name, pin in re.findall(r"uses: ([\w./-]+)@(\w+)", path.read_text()):
            hashes.setdefault(name, set()).add(pin)
    assert all(len(pins) == 1 for pins in hashes.values()), hashes


def test_the_release_publishes_what_was_built_and_tested():
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]
    assert jobs["test"]["needs"] == "build"
    assert jobs["publish"]["needs"] == "test"
    assert jobs["test"]["strategy"]["matrix"]["python"] == [
        "3.10", "3.11", "3.12", "3.13", "3.14",
    ]  # fmt: skip
    assert not any("build" in str(step.get("run", "")) for step in jobs["publish"]["steps"])


def test_the_conda_recipe_needs_what_the_project_needs():
    yaml = pytest.importorskip("yaml")
    recipe = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text())
    assert recipe["context"]["version"] == check_dist.version()
    ours = {re.split(r"[><=;]", one)[0]: one for one in PROJECT["dependencies"]}
    theirs = dict(one.split(" ", 1) for one in recipe["requirements"]["run"])
    assert theirs.pop("python") == PROJECT["requires-python"]
    assert theirs.keys() == ours.keys()
    for name, versions in theirs.items():
        assert ours[name].removeprefix(name).partition(";")[0] == versions


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.vllm"])
def test_hadolint_has_nothing_against_an_image(name):
    if shutil.which("hadolint") is None:
        pytest.skip("hadolint is not installed")
    subprocess.run(["hadolint", ROOT / name], check=True)


def test_the_image_for_cpus_runs_as_a_user_without_rights():
    text = (ROOT / "Dockerfile").read_text()
    assert "\nUSER 10001\n" in text


def test_the_default_installation_is_small():
    names = {re.split(r"[><=;]", one)[0] for one in PROJECT["dependencies"]}
    assert names.isdisjoint({"pyarrow", "pandas", "numpy", "torch", "datasets"})


def test_the_script_for_jobs_names_its_needs_as_pep_723_has_it():
    text = (ROOT / "examples" / "hf_job.py").read_text()
    block = re.search(r"(?m)^# /// script\n((?:^#(?: .*)?\n)+?)^# ///$", text)
    needs = tomllib.loads(re.sub(r"(?m)^# ?", "", block[1]))
    [need] = needs["dependencies"]
    extras = re.fullmatch(r"dataflow-caption\[([\w,]+)\]>=0\.2", need)[1].split(",")
    assert set(extras) <= PROJECT["optional-dependencies"].keys()


def test_the_script_for_jobs_captions_a_dataset(tmp_path):
    pytest.importorskip("xllamacpp")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"image": "%s"}\n' % (ROOT / "examples" / "scenes" / "001.png"))
    script = [sys.executable, ROOT / "examples" / "hf_job.py"]
    command = [*script, str(rows), "out.parquet", "--model", "demo"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=100)
    assert (tmp_path / "out.parquet").exists()
