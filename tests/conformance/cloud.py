"""Unmodified clients of one endpoint. Every answer is judged by `shapes`, and what was called is remembered."""

import collections
import importlib.util
import os
import re
import time

import boto3
import botocore.config
import botocore.exceptions
from botocore import xform_name

import shapes

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
# By the names of boto3's clients.
SERVICES = {
    "ec2": "ec2",
    "iam": "iam",
    "sts": "sts",
    "glue": "glue",
    "redshift": "redshift",
    "redshift-serverless": "redshift-serverless",
    "redshift-data": "redshift-data",
    "secretsmanager": "secretsmanager",
    "logs": "logs",
    "tagging": "resourcegroupstaggingapi",
}
# Where a page of one is not allowed, the smallest that is.
SMALLEST_PAGE = {
    "ec2": 5,
    "redshift": 20,
    ("redshift-data", "ListStatements"): 1,
    ("resourcegroupstaggingapi", "GetResources"): 1,
}


def served():
    """The operations that the local cloud says it serves, by the names of boto3's clients."""
    place = os.path.join(ROOT, "src", "local", "wire", "model.py")
    spec = importlib.util.spec_from_file_location("model", place)
    model = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)
    operations = {
        SERVICES[scope]: sorted(set(names.split())) for (scope, _), names in model.OPERATIONS.items()
    }
    with open(os.path.join(ROOT, "src", "local", "services", "s3", "service.rs")) as source:
        operations["s3"] = sorted(set(re.findall(r"\w+: (\w+)Input => ", source.read())))
    return operations


class Cloud:
    """Clients of one account and region."""

    def __init__(self, endpoint, account="test", region="us-east-1", judge=True):
        self.endpoint, self.account, self.region = endpoint, account, region
        self.judge = judge
        self.called = collections.defaultdict(set)
        self.problems = []
        self.clients = {}
        self.column = "boto3"

    def client(self, service, **config):
        key = (service, tuple(sorted(config)))
        if key not in self.clients:
            settings = {"retries": {"total_max_attempts": 1}, **config}
            self.clients[key] = boto3.client(
                service,
                endpoint_url=self.endpoint,
                region_name=self.region,
                aws_access_key_id=self.account,
                aws_secret_access_key="test",
                config=botocore.config.Config(**settings),
            )
            self.watch(self.clients[key].meta.events)
        return self.clients[key]

    def watch(self, events, column=None):
        """Judges what a client of botocore gets, under the name of a column."""

        def parsed(operation_model, response_dict, **_):
            self.judged(operation_model, response_dict, column)

        events.register("before-parse", parsed)

    def judged(self, operation, response, column):
        service = operation.service_model.service_name
        if response["status_code"] >= 300:
            return
        self.called[(service, operation.name)].add(column or self.column)
        if self.judge:
            found = shapes.problems(operation, response)
            self.problems += [f"{service}:{operation.name}: {problem}" for problem in found]

    def __call__(self, service, operation, **parameters):
        """Calls an operation, and if it is one that lists, its paginator with the smallest pages, too."""
        client = self.client(service)
        method = xform_name(operation)
        answer = getattr(client, method)(**parameters)
        if client.can_paginate(method):
            self.paginate(client, service, operation, method, parameters)
        return answer

    def paginate(self, client, service, operation, method, parameters):
        paginator = client.get_paginator(method)
        config = paginator._pagination_cfg
        tokens = config["input_token"]
        tokens = tokens if isinstance(tokens, list) else [tokens]
        limit = config.get("limit_key")
        kept = {name: value for name, value in parameters.items() if name not in tokens and name != limit}
        pages = {}
        if limit:
            smallest = SMALLEST_PAGE.get((service, operation), SMALLEST_PAGE.get(service, 1))
            pages = {"PageSize": smallest}
        self.column = "paginator"
        try:
            for number, _ in enumerate(paginator.paginate(**kept, PaginationConfig=pages)):
                assert number < 500, f"{service}:{operation} has no end"
        finally:
            self.column = "boto3"

    def wait(self, service, waiter, **parameters):
        """Lets a waiter wait."""
        self.column = "waiter"
        try:
            config = {"Delay": 1, "MaxAttempts": 60}
            self.client(service).get_waiter(waiter).wait(**parameters, WaiterConfig=config)
        finally:
            self.column = "boto3"

    def fails(self, code, service, operation, **parameters):
        """Calls an operation that must be refused with this code."""
        try:
            answer = getattr(self.client(service), xform_name(operation))(**parameters)
        except botocore.exceptions.ClientError as error:
            found = error.response["Error"]["Code"]
            self.called[(service, operation)].add("errors")
            assert found == code, f"{service}:{operation} fails with {error}, not {code}"
            assert error.response["Error"].get("Message") or service == "s3", f"{service}:{operation} says nothing"
            return error
        raise AssertionError(f"{service}:{operation} does not fail with {code}: {answer}")

    def refused(self, service, operation, **parameters):
        """Calls an operation that this cloud knows and refuses by name."""
        error = self.fails("NotImplemented", service, operation, **parameters)
        self.called[(service, operation)] = {"refused"}
        assert operation in str(error), error


def until(what, seconds=30):
    """Asks until the answer is true."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.1)
