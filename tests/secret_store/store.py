"""AWS as moto has it (PyPI): Secrets Manager, STS, IAM and instance metadata on one port, with accounts checked.

    store.py

Prints its port, then answers each line of standard input, a JSON list of a name and its arguments, with a JSON line.
"""

import json
import os
import sys

os.environ.update(AWS_ACCESS_KEY_ID="root", AWS_SECRET_ACCESS_KEY="root", AWS_EC2_METADATA_DISABLED="true")

import boto3  # noqa: E402
from moto import settings  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://127.0.0.1:{port}"


def client(service, region="eu-central-1"):
    return boto3.client(service, region_name=region, endpoint_url=url)


def create(name, text, region="eu-central-1"):
    return client("secretsmanager", region).create_secret(Name=name, SecretString=text)["ARN"]


def create_binary(name, text):
    return client("secretsmanager").create_secret(Name=name, SecretBinary=text.encode())["ARN"]


def rotate(name, text):
    return client("secretsmanager").put_secret_value(SecretId=name, SecretString=text)["VersionId"]


def delete(name):
    client("secretsmanager").delete_secret(SecretId=name, RecoveryWindowInDays=7)


def user(name, action):
    """A user who may do this one thing; returns the key."""
    iam = client("iam")
    iam.create_user(UserName=name)
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}}
    iam.put_user_policy(UserName=name, PolicyName="it", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return [key["AccessKeyId"], key["SecretAccessKey"]]


def role(name):
    iam = client("iam")
    trust = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:*"}}
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]


def check_accounts(on):
    """From now on keys, signatures and permissions count, or do not."""
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0 if on else float("inf")


print(port, file=sys.stderr, flush=True)
for line in sys.stdin:
    name, *arguments = json.loads(line)
    print(json.dumps(globals()[name](*arguments)), flush=True)
