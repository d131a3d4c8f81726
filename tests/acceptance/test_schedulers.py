"""`examples/` for whoever starts a night: each is done, or read as strictly as its own program reads it."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml
from support.processes import TOKEN, command, simulator, write_jobs
from support.shells import EXAMPLES, ROOT, installed, shell

from runner.api.token import find_token
from runner.cli.app import app
from runner.errors import ExitCode

NAMES = ("mug-red", "vase-teal", "bag-brown", "lamp-white")
ROW = "{0},White.,https://photos.example.com/{0}.jpg,jpeg,1:1\n"
SHEET = "id,prompt,image_urls,output_format,aspect_ratio\n" + "".join(map(ROW.format, NAMES))


def counts(run):
    """How a run directory stands."""
    return json.loads((run / "summary.json").read_text())["counts"]


def takes(words):
    """Whether the command takes these words: every option exists, and its value is one."""
    context = app.commands[words[0]].make_context(words[0], words[1:], resilient_parsing=False)
    return context.params


def test_the_cron_line_runs(tmp_path):
    """As cron has it: five fields, and a command for sh with the settings of the file."""
    lines = (EXAMPLES / "cron" / "runcomfy-batch.crontab").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))
    (entry,) = [line for line in lines if line and not re.match(r"#|\w+=", line)]
    assert re.fullmatch(r"[\d*,/-]+( [\d*,/-]+){4}", " ".join(entry.split()[:5]))
    assert "%" not in entry, "cron makes a line end of it"
    assert settings.keys() == {"PATH", "RUNCOMFY_BATCH_RUN_NOTIFY"}
    (tmp_path / "products.csv").write_text(SHEET)
    line = entry.split(maxsplit=5)[5].replace("/srv/catalogue", str(tmp_path))
    with simulator(tmp_path, "--latency", "0.05") as service:
        env = installed(tmp_path, RUNCOMFY_BATCH_RUN_NOTIFY="http://127.0.0.1:9/nobody", **service.env)
        done = shell(line, tmp_path, env, "sh")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "4 jobs: 4 done" in (tmp_path / "night.log").read_text()


def test_the_systemd_units_are_well_formed_and_their_token_is_found(tmp_path):
    """By systemd itself where it is installed; options and exit codes exist; the credential is read as it is given."""
    unit = (EXAMPLES / "systemd" / "runcomfy-batch.service").read_text()
    settings = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    program, *words = shlex.split(settings["ExecStart"])
    assert program.endswith("/runcomfy-batch")
    assert takes(words)["max_cost_usd"] == "25"
    assert [ExitCode(int(code)) for code in settings["RestartForceExitStatus"].split()] == [69, 75]
    assert "SuccessExitStatus" not in settings, "a limit that is used up stops every night, and has to be seen"
    credential, _, source = settings["LoadCredential"].partition(":")
    assert (settings["Environment"], source) == ("RUNCOMFY_CONFIG_DIR=%d", "/etc/runcomfy-batch/token.json")
    (shown,) = re.findall(r"^#   /etc/runcomfy-batch/token.json   (\{.*\})$", unit, re.MULTILINE)
    (tmp_path / credential).write_text(shown.replace("…", "canary-credential"))
    assert find_token({"RUNCOMFY_CONFIG_DIR": str(tmp_path)}, tmp_path, 0.0).header == "Bearer canary-credential"
    if analyze := shutil.which("systemd-analyze"):
        shutil.copytree(EXAMPLES / "systemd", tmp_path / "units")
        (tmp_path / "units" / "runcomfy-batch.service").write_text(unit.replace(program, "/bin/true"))
        units = [*map(str, (tmp_path / "units").iterdir())]
        checked = subprocess.run([analyze, "verify", *units], capture_output=True, text=True, check=False)
        assert "runcomfy-batch" not in checked.stderr


# ---------------------------------------------------------------------------------------------------------- Kubernetes


def kubernetes(name):
    """The objects in a file, by kind."""
    return {one["kind"]: one for one in yaml.safe_load_all((EXAMPLES / "kubernetes" / name).read_text())}


def job_spec(name):
    """The spec of the job that a file makes."""
    objects = kubernetes(name)
    return objects["CronJob"]["spec"]["jobTemplate"]["spec"] if "CronJob" in objects else objects["Job"]["spec"]


@pytest.mark.parametrize("name", ["cronjob.yaml", "indexed-job.yaml"])
def test_a_kubernetes_job_fits_together(name):
    """Nothing is named that is not there; what another try cannot mend is not tried again; the state outlives a pod."""
    spec = job_spec(name)
    pod = spec["template"]["spec"]
    [container] = pod["containers"]
    ignore, give_up = spec["podFailurePolicy"]["rules"]
    assert ignore["action"] == "Ignore"
    assert give_up["action"] == ("FailIndex" if "backoffLimitPerIndex" in spec else "FailJob")
    assert give_up["onExitCodes"]["containerName"] == container["name"]
    hopeless = {ExitCode(code) for code in give_up["onExitCodes"]["values"]}
    again = {ExitCode.UNAVAILABLE, ExitCode.STOPPED_EARLY, ExitCode.BUG, ExitCode.INTERRUPTED, ExitCode.TERMINATED}
    assert hopeless == {*ExitCode} - again - {ExitCode.DONE, ExitCode.SOMETHING_TO_DO}
    assert (pod["restartPolicy"], pod["terminationGracePeriodSeconds"]) == ("Never", 150)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
    places = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    chosen = takes([str(word) for word in container["args"]])
    assert all(isinstance(word, str) for word in container["args"])
    [claim] = [volume for path, volume in places.items() if chosen["out"].is_relative_to(path)]
    assert (
        claim["persistentVolumeClaim"]["claimName"]
        == kubernetes("cronjob.yaml")["PersistentVolumeClaim"]["metadata"]["name"]
    )
    assert any(chosen["manifest"].is_relative_to(path) for path in places)
    [token] = [one["valueFrom"]["secretKeyRef"] for one in container["env"] if one["name"] == "RUNCOMFY_TOKEN"]
    secret = kubernetes("secret.yaml")["Secret"]
    assert token == {"name": secret["metadata"]["name"], "key": next(iter(secret["stringData"]))}


def test_the_indexed_job_does_all_of_a_catalogue_once(tmp_path):
    """Each index is started with the arguments that Kubernetes would fill in."""
    spec = job_spec("indexed-job.yaml")
    [container] = spec["template"]["spec"]["containers"]
    (tmp_path / "products.csv").write_text(SHEET)
    with simulator(tmp_path, "--latency", "0.05") as service:
        for index in range(spec["completions"]):
            filled = [word.replace("$(SHARD)", str(index)) for word in container["args"]]
            words = [
                re.sub("^/data", f"{tmp_path}/data", re.sub("^/catalogue", str(tmp_path), word)) for word in filled
            ]
            assert command(*words, cwd=tmp_path, **service.env).returncode == 0
        assert service.ledger()["accepted"] == len(NAMES)
    runs = [*(tmp_path / "data" / "products").iterdir()]
    assert sorted(path.name for path in runs) == [f"shard-{n}-of-4" for n in range(4)]
    assert sum(counts(run).get("done", 0) for run in runs) == len(NAMES)


# ---------------------------------------------------------------------------------------------------- GitHub, Airflow


def test_the_github_workflow_checks_and_runs(tmp_path):
    """Each of its own commands is run as the runner runs it."""
    workflow = yaml.safe_load((EXAMPLES / "github_actions" / "catalogue.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert "format('check-{0}', github.ref) || 'catalogue-night'" in workflow["concurrency"]["group"]
    steps = {job: {step.get("name"): step for step in workflow["jobs"][job]["steps"]} for job in ("check", "night")}
    (tmp_path / "catalogue").mkdir()
    sheet = tmp_path / "catalogue" / "products.csv"
    sheet.write_text(SHEET.replace("White.", "", 1))
    env = installed(tmp_path, HOME=str(tmp_path), GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"))
    check = steps["check"]["Check every manifest"]["run"]
    found = shell(check, tmp_path, env)
    assert found.returncode == 65
    assert found.stdout.startswith("::error file=catalogue/products.csv,line=2,title=missing-field::")
    sheet.write_text(SHEET)
    night = steps["night"]["Run what is not done yet"]
    assert night["env"].keys() == {"RUNCOMFY_TOKEN", "RUNCOMFY_BATCH_RUN_NOTIFY"}
    with simulator(tmp_path, "--latency", "0.05") as service:
        done = shell(night["run"], tmp_path, env | service.env | {"RUNCOMFY_BATCH_RUN_NOTIFY": ""})
    assert done.returncode == 0, done.stderr
    for name in ("Say how it went", "Gather the reports"):
        assert shell(steps["night"][name]["run"], tmp_path, env).returncode == 0
    first, *told, last = (tmp_path / "summary.md").read_text().splitlines()
    assert (first, last) == ("~~~~~~~~text", "~~~~~~~~")
    assert any("jobs 4: done 4" in line for line in told)
    assert sorted(path.name for path in (tmp_path / "night").iterdir()) == [
        "report.html",
        "results.csv",
        "summary.json",
    ]


@pytest.fixture
def airflow(monkeypatch, tmp_path):
    """The task's module, from its folder."""
    monkeypatch.syspath_prepend(str(EXAMPLES / "airflow"))
    monkeypatch.setenv("RUNCOMFY_CONFIG_DIR", str(tmp_path / "none"))
    import catalogue_task

    yield catalogue_task
    del sys.modules["catalogue_task"]


def test_the_airflow_task_runs_and_says_what_another_try_can_mend(tmp_path, airflow):
    """Its summary goes through JSON, as XCom wants it; a refused manifest is not tried again, an outage is."""
    jobs = write_jobs(tmp_path / "jobs.jsonl", 2)
    out = str(tmp_path / "out")
    with simulator(tmp_path, "--latency", "0.05") as service:
        choices = {"base_url": service.base, "token": TOKEN}
        summary = airflow.edit_catalogue(str(jobs), out, "5", **choices)
    assert json.loads(json.dumps(summary))["counts"] == {"done": 2}
    write_jobs(tmp_path / "more.jsonl", 3)
    with pytest.raises(airflow.TryAgain):
        airflow.edit_catalogue(str(tmp_path / "more.jsonl"), str(tmp_path / "other"), "5", **choices)
    (tmp_path / "wrong.jsonl").write_text("{}\n")
    with pytest.raises(airflow.Failed):
        airflow.edit_catalogue(str(tmp_path / "wrong.jsonl"), out, "5", **choices)


AGAIN = {ExitCode.UNAVAILABLE, ExitCode.STOPPED_EARLY, ExitCode.INTERRUPTED, ExitCode.TERMINATED}


@pytest.mark.parametrize("code", ExitCode)
def test_the_airflow_task_is_green_only_where_the_night_was(airflow, caplog, code):
    """Held for balance, token or disk it fails at once; a limit, and jobs that failed, are in the log."""
    green = {ExitCode.DONE: 0, ExitCode.SOME_FAILED: 1, ExitCode.LIMIT_REACHED: 1}
    if code not in green:
        with pytest.raises(airflow.TryAgain if code in AGAIN else airflow.Failed, match=f"{code.name}: why"):
            airflow.judge(code, "why")
        return
    airflow.judge(code, "why")
    assert [record.levelname for record in caplog.records] == ["WARNING"] * green[code]


def test_the_airflow_dag_calls_the_task_as_it_is(airflow):
    """Read, since Airflow is too heavy to install: what it imports from beside it is there, with those arguments."""
    tree = ast.parse((EXAMPLES / "airflow" / "catalogue_dag.py").read_text())
    imports = {
        node.module: [name.name for name in node.names] for node in tree.body if isinstance(node, ast.ImportFrom)
    }
    assert all(hasattr(airflow, name) for name in imports["catalogue_task"])
    [call] = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "edit_catalogue"
    ]
    assert len(call.args) == 2
    [choices] = [
        node.value for node in ast.walk(tree) if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
    ]
    assert ast.literal_eval(choices) == {"max_cost_usd": "25", "max_duration": "8h"}


# ------------------------------------------------------------------------------------------------- notebook, container


async def test_the_notebook_runs_cell_by_cell(tmp_path, monkeypatch):
    """In a loop that runs already; what it shows is escaped and small; its file holds no outputs."""
    monkeypatch.chdir(tmp_path)
    document = json.loads((EXAMPLES / "notebook" / "catalogue.ipynb").read_text())
    cells = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)
    names = {}
    for number, cell in enumerate(cells):
        code = compile("".join(cell["source"]), f"cell {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if (running := eval(code, names)) is not None:
            await running
    assert [row["state"] for row in names["rows"]] == ["done"] * 3
    shown = names["outcome"]._repr_html_()
    assert shown.count("<figure") == 3
    assert len(shown) < 60_000
    assert not re.search(r"<script|https?://", shown)


def test_the_image_is_made_of_what_is_there():
    """Every file that is copied exists and is enough to build; no root; a signal reaches the command itself."""
    lines = re.sub(r"\\\n", " ", (EXAMPLES / "docker" / "Dockerfile").read_text()).splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    kept = dict(step for step in steps)
    copied = [word for name, rest in steps if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]]
    assert all((ROOT / path).exists() for path in copied)
    assert {"pyproject.toml", "README.md", "LICENSE", "runner", "manifests"} == set(copied)
    assert kept["USER"].isdecimal()
    assert kept["USER"] != "0"
    assert json.loads(kept["ENTRYPOINT"]) == ["runcomfy-batch"]
    pod = job_spec("cronjob.yaml")["template"]["spec"]
    assert pod["securityContext"]["runAsUser"] == int(kept["USER"])
    extras = re.search(r"'\.\[(.*)\]'", " ".join(rest for name, rest in steps if name == "RUN"))[1].split(",")
    assert set(extras) < set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
