"""awswrangler: data frames to tables by INSERT and by COPY through a bucket, and back. UNLOAD is refused by name."""

import datetime
import json
import os
from decimal import Decimal

import pandas
from door import authority, client, cluster, host, http, login, port, session

os.environ["SSL_CERT_FILE"] = authority

import awswrangler  # noqa: E402
import redshift_connector  # noqa: E402

awswrangler.config.s3_endpoint_url = http
boto = session()
connection = redshift_connector.connect(host=host, port=int(port), database="dev", **login())

frame = pandas.DataFrame(
    {
        "id": [1, 2, 3],
        "name": ["a", None, "c"],
        "amount": [Decimal("1.50"), Decimal("2.25"), None],
        "day": [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2), None],
        "at": pandas.to_datetime(["2024-01-01 10:00", "2024-01-02 00:00", "2024-01-03 00:00"]),
        "score": [0.5, 1.5, 2.5],
        "yes": [True, False, True],
    }
)
redshift = awswrangler.redshift
redshift.to_sql(frame, connection, table="frames", schema="public", mode="overwrite", index=False)
redshift.to_sql(frame, connection, table="frames", schema="public", mode="append", index=False, use_column_names=True, chunksize=2)
back = redshift.read_sql_query("select * from public.frames order by id, score", connection)
assert len(back) == 6 and list(back["id"]) == [1, 1, 2, 2, 3, 3], back
assert back["amount"][0] == Decimal("1.50") and back["day"][0] == datetime.date(2024, 1, 1), back
redshift.to_sql(
    frame.assign(name="new"), connection, table="frames", schema="public", mode="upsert", primary_keys=["id"], index=False
)
assert len(redshift.read_sql_table("frames", connection, schema="public")) == 3

# By COPY: a role that may read the bucket, as on AWS.
account = boto.client("sts", endpoint_url=http).get_caller_identity()["Account"]
s3, iam = client("s3"), client("iam")
s3.create_bucket(Bucket="wrangled")
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "redshift.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
may = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::wrangled", "arn:aws:s3:::wrangled/*"]}]}
role = iam.create_role(RoleName="wrangler", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
iam.put_role_policy(RoleName="wrangler", PolicyName="read", PolicyDocument=json.dumps(may))
client("redshift").modify_cluster_iam_roles(ClusterIdentifier=cluster, AddIamRoles=[role])
more = pandas.DataFrame({"id": range(1000), "name": [f"n{number}" for number in range(1000)], "score": [number / 2 for number in range(1000)]})
redshift.copy(more, "s3://wrangled/stage/", connection, table="copied", schema="public", iam_role=role, mode="overwrite", boto3_session=boto)
counted = redshift.read_sql_query("select count(*) as n, sum(score) as s, max(name) as m from public.copied", connection)
assert list(counted.iloc[0]) == [1000, 249750.0, "n999"], counted
assert not s3.list_objects_v2(Bucket="wrangled").get("Contents"), "the staged files are left"

try:
    redshift.unload("select * from public.copied", "s3://wrangled/out/", connection, iam_role=role, boto3_session=boto)
except redshift_connector.ProgrammingError as error:
    assert error.args[0]["C"] == "0A000" and "UNLOAD" in error.args[0]["M"], error
    connection.rollback()
else:
    raise AssertionError("UNLOAD went through; the README says that it is refused")
cursor = connection.cursor()
for table in ["frames", "copied"]:
    cursor.execute(f"drop table public.{table}")
connection.commit()
connection.close()
client("redshift").modify_cluster_iam_roles(ClusterIdentifier=cluster, RemoveIamRoles=[role])
print("ok")
