"""Checks the files in deploy/ with the tools of those who read them: the API schemas of Kubernetes, the grammar of
Prometheus' expressions, hadolint, systemd itself. Says what is wrong and how many checks passed.

    check_deploy.py FOLDER

scripts/setup.sh lays its Python with the packages that it needs in the cache. Which metrics there are is compared by
tests/rooms/deploy.rs, with a server that runs.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import promql_parser
import yaml
from dockerfile_parse import DockerfileParser

# The oldest and the newest minor version of Kubernetes that the manifest is for.
KUBERNETES = ["1.30", "1.37"]
# How exposed a unit may be, of 10.0 (systemd-analyze security).
EXPOSURE = 2.0

deploy = Path(sys.argv[1])
passed, failed = 0, 0


def check(right, what):
    """Counts a check and says what is wrong."""
    global passed, failed
    if right:
        passed += 1
    else:
        failed += 1
        print(f"WRONG {what}")


def expression(text, where):
    """Checks an expression of Prometheus', with Grafana's variables filled in."""
    text = text.replace("$__rate_interval", "5m").replace("$job", "org-portal")
    try:
        promql_parser.parse(text)
        check(True, "")
    except Exception as error:  # the parser's own kinds of errors are its implementation's
        check(False, f"{where}: {text}: {error}")


def kubernetes():
    """The manifest: valid against the schemas, and as guarded as it is meant to be."""
    documents = list(yaml.safe_load_all((deploy / "kubernetes.yaml").read_text()))
    for version in KUBERNETES:
        for document in documents:
            name = f"kubernetes.yaml, {document['kind']}, {version}"
            try:
                kubernetes_validate.validate(document, version, strict=True)
                check(True, "")
            except kubernetes_validate.ValidationError as error:
                check(False, f"{name}: {error.message}")
    kinds = {document["kind"]: document for document in documents}
    check({"Deployment", "Service", "PodDisruptionBudget"} <= kinds.keys(), f"kubernetes.yaml holds {sorted(kinds)}")
    deployment = kinds["Deployment"]["spec"]
    pod = deployment["template"]["spec"]
    container = pod["containers"][0]
    guarded = container["securityContext"]
    check(deployment["replicas"] == 2, "two replicas")
    check(guarded["readOnlyRootFilesystem"] and guarded["runAsNonRoot"], "the root is read-only and nobody is root")
    check(not guarded["allowPrivilegeEscalation"] and guarded["capabilities"]["drop"] == ["ALL"], "no rights beyond its own")
    check(pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", "a profile for system calls")
    check(container["livenessProbe"]["httpGet"]["path"] == "/healthz", "it is restarted by /healthz")
    check(container["readinessProbe"]["httpGet"]["path"] == "/readyz", "it is asked for /readyz before it gets requests")
    check(pod["terminationGracePeriodSeconds"] > 45, "a stop is given the time that it may take")
    labels = deployment["template"]["metadata"]["labels"].items()
    for kind in ["Deployment", "Service", "PodDisruptionBudget"]:
        selector = kinds[kind]["spec"]["selector"]
        check(selector.get("matchLabels", selector).items() <= labels, f"{kind} selects the pods")
    ports = {port["name"] for port in container["ports"]}
    check(kinds["Service"]["spec"]["ports"][0]["targetPort"] in ports, "the service leads to a port of the pod")
    secrets = [key for key in kinds["ConfigMap"]["data"] if re.search("PASSWORD|SECRET|DATABASE_URL|SMTP_URL", key)]
    check(not secrets, f"secrets in the ConfigMap: {secrets}")


def alerts():
    """The rules: their form, their expressions, and words for whoever is woken."""
    rules = [rule for group in yaml.safe_load((deploy / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
    names = [rule["alert"] for rule in rules]
    check(len(names) == len(set(names)) and len(names) >= 10, f"alerts.yaml: {names}")
    for rule in rules:
        name = f"alerts.yaml, {rule['alert']}"
        expression(rule["expr"], name)
        check(rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}, f"{name}: {sorted(rule)}")
        check(rule["labels"].get("severity") in {"critical", "warning"}, f"{name}: no severity")
        check(rule["annotations"].keys() == {"summary", "description"}, f"{name}: a summary and a description")
        check(re.fullmatch(r"\d+[smhd]", rule.get("for", "1m")) is not None, f"{name}: for")


def dashboard():
    """The dashboard: JSON, panels that ask something, and no two in one place."""
    board = json.loads((deploy / "grafana-dashboard.json").read_text())
    panels = board["panels"]
    check(len({panel["id"] for panel in panels}) == len(panels), "grafana-dashboard.json: an id twice")
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        check(not cells & taken and at["x"] + at["w"] <= 24, f"grafana-dashboard.json, {panel['title']}: over another panel")
        taken |= cells
        if panel["type"] != "row":
            check(bool(panel["targets"]), f"grafana-dashboard.json, {panel['title']}: it asks nothing")
            for target in panel["targets"]:
                expression(target["expr"], f"grafana-dashboard.json, {panel['title']}")


def containerfile():
    """The container: hadolint, and what it must not do."""
    path = deploy / "Containerfile"
    lint = subprocess.run([Path(sys.executable).parent / "hadolint", path], capture_output=True, text=True)
    check(lint.returncode == 0, f"hadolint: {lint.stdout}{lint.stderr}")
    parser = DockerfileParser(fileobj=path.open("rb"))
    steps = [(step["instruction"], step["value"]) for step in parser.structure]
    last = max(n for n, (name, _) in enumerate(steps) if name == "FROM")
    final = dict(steps[last:])
    check(sum(name == "FROM" for name, _ in steps) == 2, "Containerfile: built in one stage, run in another")
    user = final.get("USER", "0").split(":")[0]
    check(user.isdigit() and user != "0", f"Containerfile: the user is {user}")
    check("org-portal" in final.get("HEALTHCHECK", ""), "Containerfile: no health check")
    check(final.get("ENTRYPOINT") == '["org-portal"]' and final.get("STOPSIGNAL") == "SIGTERM", "Containerfile: how it starts and stops")


def units():
    """systemd's own look at the units, where there is systemd."""
    if shutil.which("systemd-analyze") is None:
        print("systemd-analyze is not here: the units were not looked at")
        return
    with tempfile.TemporaryDirectory() as folder:
        copies = []
        for unit in sorted([*deploy.glob("*.service"), *deploy.glob("*.timer")]):
            # The executable is not installed here: another one stands for it.
            text = unit.read_text().replace("/usr/local/bin/org-portal", "/bin/true")
            copy = Path(folder) / unit.name
            copy.write_text(text)
            copies.append(copy)
        verify = subprocess.run(["systemd-analyze", "verify", "--man=no", *copies], capture_output=True, text=True, env={**os.environ, "SYSTEMD_UNIT_PATH": folder + ":"})
        # It loads other units of the machine, too; only what it says of these counts.
        said = [line for line in (verify.stdout + verify.stderr).splitlines() if "org-portal" in line]
        check(not said, "systemd-analyze verify: " + "; ".join(said))
        for copy in copies:
            if copy.suffix == ".service":
                threshold = str(int(EXPOSURE * 10))
                security = subprocess.run(["systemd-analyze", "security", "--no-pager", "--offline=yes", f"--threshold={threshold}", copy], capture_output=True, text=True)
                overall = [line for line in security.stdout.splitlines() if "Overall exposure" in line]
                print(f"{copy.name}: {' '.join(overall) or security.stderr.strip()}")
                check(security.returncode == 0, f"{copy.name}: more exposed than {EXPOSURE}")


for part in [kubernetes, alerts, dashboard, containerfile, units]:
    try:
        part()
    except Exception as error:  # what is missing is what is wrong
        check(False, f"{part.__name__}: {error!r}")
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
