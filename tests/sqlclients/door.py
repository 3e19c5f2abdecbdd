"""What every script here needs: the arguments, AWS clients, and a login for the SQL port."""

import sys

import boto3

http, sql, cluster, authority = sys.argv[1:5]
host, port = sql.rsplit(":", 1)


def session():
    return boto3.Session(region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")


def client(service):
    return session().client(service, endpoint_url=http)


def login(user="admin", **more):
    """A user and a password that is good for an hour."""
    answer = client("redshift").get_cluster_credentials(
        ClusterIdentifier=cluster, DbUser=user, DbName="dev", DurationSeconds=3600, **more
    )
    return {"user": answer["DbUser"], "password": answer["DbPassword"]}
