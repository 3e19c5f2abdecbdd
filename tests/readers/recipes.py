"""Holds the shipped Batch and Step Functions files against what their APIs take. Argument: their folder."""

import json
import sys
from pathlib import Path

import botocore.session
from botocore.validate import ParamValidator

folder = Path(sys.argv[1])
session = botocore.session.get_session()


def validate(service, operation, params):
    shape = session.get_service_model(service).operation_model(operation).input_shape
    report = ParamValidator().validate(params, shape)
    assert not report.has_errors(), report.generate_report()


definitions = {}
for name in ["job-definition.json", "join-definition.json"]:
    definition = json.loads((folder / name).read_text())
    validate("batch", "RegisterJobDefinition", definition)
    definitions[definition["jobDefinitionName"]] = definition

machine = json.loads((folder / "state-machine.json").read_text())
validate(
    "stepfunctions",
    "CreateStateMachine",
    {"name": "m", "definition": json.dumps(machine), "roleArn": "arn:aws:iam::111122223333:role/machine"},
)


def camel(value):
    """A task's parameters as the API's own, with `x.$` paths for what comes later."""
    if isinstance(value, dict):
        return {
            key.removesuffix(".$")[0].lower() + key.removesuffix(".$")[1:]: 2 if key == "Size.$" else camel(inner)
            for key, inner in value.items()
        }
    return value


state, seen = machine["StartAt"], []
while True:
    task = machine["States"][state]
    seen.append(state)
    assert task["Resource"] == "arn:aws:states:::batch:submitJob.sync", task
    asked = camel(task["Parameters"])
    validate("batch", "SubmitJob", asked)
    # What the machine fills in is what the job's command uses.
    definition = definitions[asked["jobDefinition"]]
    used = {word.removeprefix("Ref::") for word in definition["containerProperties"]["command"] if "Ref::" in word}
    given = {key.removesuffix(".$") for key in task["Parameters"]["Parameters"]}
    assert used == given == set(definition["parameters"]), (used, given)
    if task.get("End"):
        break
    state = task["Next"]
assert set(seen) == set(machine["States"]), seen

policy = json.loads((folder / "policy.json").read_text())
assert policy["Version"] == "2012-10-17"
print("ok", seen)
