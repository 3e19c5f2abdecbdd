"""boto3's redshift-data: parameters, transactions, pages, the life of a statement, cancelling, and listings."""

import time

from botocore.exceptions import ClientError
from door import client, cluster

data = client("redshift-data")
where = {"ClusterIdentifier": cluster, "Database": "dev", "DbUser": "admin"}


def ended(id):
    while True:
        described = data.describe_statement(Id=id)
        if described["Status"] in ("FINISHED", "FAILED", "ABORTED"):
            return described
        assert described["Status"] in ("SUBMITTED", "PICKED", "STARTED"), described
        time.sleep(0.05)


def run(sql, **more):
    return ended(data.execute_statement(Sql=sql, **where, **more)["Id"])


# Named parameters, types of every kind, metadata.
run("drop table if exists paged")
made = run("create table paged (id int, name varchar(300))")
assert made["Status"] == "FINISHED" and made["HasResultSet"] is False and made["ResultRows"] == -1, made
for start in range(0, 4000, 250):
    values = ", ".join(f"({number}, '{'x' * 250}')" for number in range(start, start + 250))
    inserted = run(f"insert into paged values {values}")
    assert inserted["Status"] == "FINISHED" and inserted["ResultRows"] == 250, inserted
found = run("select id, name, 1.5::numeric(4,2) as n, null as nothing, true as yes from paged where id = :id and name like :like",
            Parameters=[{"name": "id", "value": "7"}, {"name": "like", "value": "x%"}])
assert found["Status"] == "FINISHED" and found["ResultRows"] == 1 and found["HasResultSet"], found
answer = data.get_statement_result(Id=found["Id"])
assert answer["Records"] == [[{"longValue": 7}, {"stringValue": "x" * 250}, {"stringValue": "1.50"}, {"isNull": True}, {"booleanValue": True}]]
assert [(column["name"], column["typeName"]) for column in answer["ColumnMetadata"]][:3] == [("id", "int4"), ("name", "varchar"), ("n", "numeric")]

# Four thousand long rows do not fit one answer.
all_of_them = run("select * from paged order by id")
pages = list(data.get_paginator("get_statement_result").paginate(Id=all_of_them["Id"]))
assert len(pages) > 1, "it came in one page"
assert [row[0]["longValue"] for page in pages for row in page["Records"]] == list(range(4000))

# A batch is one transaction: the third statement's failure undoes the first.
batch = ended(data.batch_execute_statement(Sqls=["delete from paged", "select 1", "select * from nothing_here", "select 2"], **where)["Id"])
assert batch["Status"] == "FAILED" and "nothing_here" in batch["Error"], batch
assert [sub["Status"] for sub in batch["SubStatements"]][2:] == ["FAILED", "ABORTED"], batch["SubStatements"]
assert data.get_statement_result(Id=run("select count(*) from paged")["Id"])["Records"] == [[{"longValue": 4000}]]
batch = ended(data.batch_execute_statement(Sqls=["delete from paged where id >= 10", "select count(*) from paged"], **where)["Id"])
assert batch["Status"] == "FINISHED", batch
assert data.get_statement_result(Id=batch["SubStatements"][1]["Id"])["Records"] == [[{"longValue": 10}]]

# Cancelling.
endless = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000000) select sum(i) from n"
id = data.execute_statement(Sql=endless, StatementName="endless", **where)["Id"]
while data.describe_statement(Id=id)["Status"] != "STARTED":
    time.sleep(0.05)
listed = data.list_statements(StatementName="endless", Status="STARTED")["Statements"]
assert [statement["Id"] for statement in listed] == [id], listed
assert data.cancel_statement(Id=id)["Status"] is True
assert ended(id)["Status"] == "ABORTED"
try:
    data.cancel_statement(Id=id)
except ClientError as error:
    assert error.response["Error"]["Code"] == "ValidationException", error
else:
    raise AssertionError("an ended statement was cancelled")

# The same token is the same statement.
token = "6f0d2f7e-7c49-4f8e-8c5e-6d2a5b7f4f11"
ids = {data.execute_statement(Sql="insert into paged values (77, 'once')", ClientToken=token, **where)["Id"] for _ in range(3)}
assert len(ids) == 1, ids
ended(ids.pop())
assert data.get_statement_result(Id=run("select count(*) from paged where id = 77")["Id"])["Records"] == [[{"longValue": 1}]]

# Listings.
assert "dev" in data.list_databases(**where)["Databases"]
assert "public" in data.list_schemas(**where)["Schemas"]
tables = data.list_tables(SchemaPattern="public", TablePattern="pag%", **where)["Tables"]
assert [(table["name"], table["type"]) for table in tables] == [("paged", "TABLE")], tables
described = data.describe_table(Schema="public", Table="paged", **where)
assert [column["name"] for column in described["ColumnList"]] == ["id", "name"], described
run("drop table paged")
for wrong in [{"Sql": "select 1", "ClusterIdentifier": "nowhere", "Database": "dev", "DbUser": "admin"}]:
    try:
        data.execute_statement(**wrong)
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("ValidationException", "ResourceNotFoundException"), error
    else:
        raise AssertionError(wrong)
print("ok")
