"""Clients beside boto3: the AWS CLI, awswrangler reading the catalog, and two in C++ with an S3 protocol of their own,
Arrow's and that of DuckDB's httpfs."""

import contextlib
import io
import json
import os
import urllib.parse
import urllib.request

import awscli.clidriver
import awswrangler
import boto3
import botocore.session
import duckdb
import duckdb_extension_httpfs
import pyarrow.fs
import pyarrow.parquet


BUCKET = "conformance-others"


def run(call, folder):
    call("s3", "CreateBucket", Bucket=BUCKET)
    command_line(call, folder)
    listened(call, "pyarrow", lambda: arrow(call))
    listened(call, "DuckDB httpfs", lambda: httpfs(call))
    wrangler(call)


def listened(call, column, work):
    """Lets a client work that has no hooks, and asks the server what came: a delay of nothing on every call is recorded."""

    def faults(plan=None):
        body = None if plan is None else json.dumps(plan).encode()
        with urllib.request.urlopen(call.endpoint + "/_lakeform/faults", data=body) as answer:
            return json.load(answer)

    faults({"rules": [{"operation": "s3:*", "effect": "latency", "milliseconds": 0, "times": 1_000_000}]})
    work()
    came = {record["operation"].removeprefix("s3:") for record in faults()["injected"]}
    faults({})
    known = botocore.session.get_session().get_service_model("s3").operation_names
    for operation in came:
        assert operation in known, f"{column} asked for {operation}, which is not known"
        call.called[("s3", operation)].add(column)


def command_line(call, folder):
    """The AWS CLI, run in this process so that its answers are judged, too."""
    os.environ.update(
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ENDPOINT_URL=call.endpoint,
        AWS_CONFIG_FILE=os.path.join(folder, "none"),
    )

    def aws(*words):
        driver = awscli.clidriver.create_clidriver()
        call.watch(driver.session.get_component("event_emitter"), "AWS CLI")
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = driver.main(list(words))
        assert code == 0, f"aws {' '.join(words)} ended with {code}: {said.getvalue()}"
        return said.getvalue()

    here = os.path.join(folder, "here")
    back = os.path.join(folder, "back")
    os.makedirs(os.path.join(here, "deep"))
    files = {"a.txt": b"a", "deep/b c.txt": b"bb", "big.bin": os.urandom(9 << 20)}
    for name, body in files.items():
        with open(os.path.join(here, name), "wb") as out:
            out.write(body)
    aws("s3", "sync", here, f"s3://{BUCKET}/sync", "--no-progress")
    aws("s3", "sync", f"s3://{BUCKET}/sync", back, "--no-progress")
    for name, body in files.items():
        with open(os.path.join(back, name), "rb") as found:
            assert found.read() == body, name
    assert aws("s3", "sync", here, f"s3://{BUCKET}/sync", "--no-progress") == "", "a second sync copies nothing"
    assert "deep/" in aws("s3", "ls", f"s3://{BUCKET}/sync/")
    aws("s3", "mv", f"s3://{BUCKET}/sync/a.txt", f"s3://{BUCKET}/moved.txt", "--no-progress")
    aws("s3", "rm", f"s3://{BUCKET}/sync", "--recursive")
    aws("s3", "mb", "s3://conformance-cli")
    aws("s3", "rb", "s3://conformance-cli")
    assert json.loads(aws("sts", "get-caller-identity"))["Account"] == "123456789012"
    for words in (
        "ec2 describe-vpcs",
        "ec2 describe-subnets",
        "ec2 describe-security-groups",
        "ec2 describe-route-tables",
        "iam list-roles",
        "iam list-policies --scope Local",
        "glue get-databases",
        "glue list-crawlers",
        "redshift describe-clusters",
        "redshift describe-cluster-subnet-groups",
        "redshift-serverless list-workgroups",
        "redshift-data list-statements",
        "secretsmanager list-secrets",
        "logs describe-log-groups",
        "resourcegroupstaggingapi get-resources",
        "s3api list-buckets",
        f"s3api get-bucket-location --bucket {BUCKET}",
    ):
        aws(*words.split())


def arrow(call):
    """Arrow's S3 client writes a Parquet file and reads parts of it."""
    where = urllib.parse.urlparse(call.endpoint)
    s3 = pyarrow.fs.S3FileSystem(
        access_key="test", secret_key="test", region="us-east-1", scheme="http", endpoint_override=where.netloc
    )
    rows = pyarrow.table({"id": list(range(1000)), "name": [f"n{number}" for number in range(1000)]})
    pyarrow.parquet.write_table(rows, f"{BUCKET}/arrow/one.parquet", filesystem=s3)
    read = pyarrow.parquet.read_table(f"{BUCKET}/arrow/", columns=["id"], filters=[("id", ">", 990)], filesystem=s3)
    assert read.column("id").to_pylist() == list(range(991, 1000)), read
    found = s3.get_file_info(pyarrow.fs.FileSelector(f"{BUCKET}/arrow", recursive=True))
    assert [one.base_name for one in found] == ["one.parquet"], found
    s3.copy_file(f"{BUCKET}/arrow/one.parquet", f"{BUCKET}/arrow/two.parquet")
    s3.delete_file(f"{BUCKET}/arrow/two.parquet")


def httpfs(call):
    """DuckDB reads and writes the bucket."""
    place = os.path.dirname(duckdb_extension_httpfs.__file__)
    found = [os.path.join(where, name) for where, _, names in os.walk(place) for name in names]
    extension = next(name for name in found if name.endswith("httpfs.duckdb_extension"))
    database = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    database.execute(f"load '{extension}'")
    endpoint = urllib.parse.urlparse(call.endpoint).netloc
    database.execute(
        "create secret (type s3, provider config, key_id 'test', secret 'test', region 'us-east-1', "
        f"endpoint '{endpoint}', url_style 'path', use_ssl false)"
    )
    database.execute(
        f"copy (select i as id, i % 7 as kind from range(10000) t(i)) to 's3://{BUCKET}/duck/rows.parquet' (format parquet)"
    )
    database.execute(f"copy (select 1 as a, 'x,y' as b) to 's3://{BUCKET}/duck/rows.csv' (header)")
    counted = database.execute(f"select sum(id) from 's3://{BUCKET}/duck/*.parquet' where kind = 3").fetchone()
    assert counted == (sum(number for number in range(10000) if number % 7 == 3),), counted
    read = database.execute(f"select b from read_csv('s3://{BUCKET}/duck/rows.csv')").fetchone()
    assert read == ("x,y",), read


def wrangler(call):
    """What a data engineer's notebook does: write a partitioned dataset, read it by its name in the catalog."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    session.events.register("before-parse", lambda operation_model, response_dict, **_: call.judged(
        operation_model, response_dict, "awswrangler"
    ))
    for service in ("s3", "glue", "sts", "redshift", "redshift_data"):
        setattr(awswrangler.config, f"{service}_endpoint_url", call.endpoint)
    awswrangler.catalog.create_database("notebook", boto3_session=session)
    import pandas

    rows = pandas.DataFrame({"id": [1, 2, 3], "name": ["a", "b", None], "day": ["x", "x", "y"]})
    awswrangler.s3.to_parquet(
        rows,
        path=f"s3://{BUCKET}/notebook/",
        dataset=True,
        database="notebook",
        table="rows",
        partition_cols=["day"],
        boto3_session=session,
    )
    back = awswrangler.s3.read_parquet_table(table="rows", database="notebook", boto3_session=session)
    assert sorted(back["id"]) == [1, 2, 3], back
    types = awswrangler.catalog.get_table_types("notebook", "rows", boto3_session=session)
    assert types == {"id": "bigint", "name": "string", "day": "string"}, types
    tables = list(awswrangler.catalog.get_tables(database="notebook", boto3_session=session))
    assert [found["Name"] for found in tables] == ["rows"], tables
    parts = awswrangler.catalog.get_partitions("notebook", "rows", boto3_session=session)
    assert sorted(values for [values] in parts.values()) == ["x", "y"], parts
    awswrangler.catalog.delete_table_if_exists("notebook", "rows", boto3_session=session)
    awswrangler.catalog.delete_database("notebook", boto3_session=session)
    awswrangler.s3.delete_objects(f"s3://{BUCKET}/notebook/", boto3_session=session)
