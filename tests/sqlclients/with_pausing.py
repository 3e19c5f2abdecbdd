"""A cluster that is paused or being deleted refuses everybody; one that is resumed has what it had."""

import time

import psycopg2
from botocore.exceptions import ClientError
from door import client, cluster, host, login, port

redshift, data = client("redshift"), client("redshift-data")


def connect():
    connection = psycopg2.connect(host=host, port=port, dbname="dev", **login())
    connection.autocommit = True
    return connection


def until(wanted):
    for _ in range(600):
        if redshift.describe_clusters(ClusterIdentifier=cluster)["Clusters"][0]["ClusterStatus"] == wanted:
            return
        time.sleep(0.1)
    raise AssertionError(f"never {wanted}")


def refused(connection):
    """Nobody is answered any more: not on an open connection, not on a new one, not through the Data API."""
    for _ in range(600):
        try:
            connection.cursor().execute("select 1")
        except psycopg2.Error:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("an open connection went on")
    try:
        psycopg2.connect(host=host, port=port, dbname="dev", user="admin", password="any")
    except psycopg2.OperationalError as error:
        assert "refused" in str(error), error
    else:
        raise AssertionError("a new connection was answered")
    try:
        data.execute_statement(ClusterIdentifier=cluster, Database="dev", DbUser="admin", Sql="select 1")
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("ValidationException", "ResourceNotFoundException"), error
    else:
        raise AssertionError("the Data API took a statement")


before = connect()
before.cursor().execute("create table lasting as select 7 as i")
redshift.pause_cluster(ClusterIdentifier=cluster)
refused(before)
until("paused")
redshift.resume_cluster(ClusterIdentifier=cluster)
until("available")
for _ in range(100):
    try:
        after = connect()
        break
    except psycopg2.OperationalError:
        # The port opens a moment after the cluster is available.
        time.sleep(0.1)
cursor = after.cursor()
cursor.execute("select i from lasting")
assert cursor.fetchone() == (7,)
redshift.delete_cluster(ClusterIdentifier=cluster, SkipFinalClusterSnapshot=True)
refused(after)
print("ok")
